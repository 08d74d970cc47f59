// What devices send to an endpoint that echoes: as much as fits in flight, or so much a second.
import type { LoadDevice } from "./load-device.ts";

export interface EchoFigure {
  /** Messages that went to the endpoint and came back. */
  readonly perSecond: number;
  readonly count: number;
  readonly wallMs: number;
  /** Of each, from sending to its echo; sorted. */
  readonly latenciesMs: Float64Array;
}

/** Bytes of a small reading. */
const MESSAGE = "x".repeat(100);

export interface EchoLoad {
  readonly devices: readonly LoadDevice[];
  readonly durationMs: number;
  /** Each device keeps so many messages on their way … */
  readonly inFlight?: number;
  /** … or all of them together send so many a second, each in turn, whatever comes back. */
  readonly perSecond?: number;
}

/** Every message that was sent has come back when this resolves. */
export async function echoLoad({ devices, durationMs, inFlight = 0, perSecond = 0 }: EchoLoad): Promise<EchoFigure> {
  const latencies: number[] = [];
  const sentAt = devices.map((): number[] => []);
  const { promise: settled, resolve } = Promise.withResolvers<void>();
  const startedAtMs = performance.now();
  let underWay = 0;
  let isOver = false;
  const settle = (): void => {
    if (isOver && underWay === 0) resolve();
  };
  const send = (index: number): void => {
    underWay += 1;
    sentAt[index]?.push(performance.now());
    devices[index]?.send(MESSAGE);
  };
  for (const [index, device] of devices.entries()) {
    device.onMessage = () => {
      const nowMs = performance.now();
      // In order: the first that was sent is the first that is back.
      latencies.push(nowMs - (sentAt[index]?.shift() ?? Number.NaN));
      underWay -= 1;
      isOver ||= nowMs - startedAtMs >= durationMs;
      if (!isOver && perSecond === 0) send(index);
      settle();
    };
  }
  if (perSecond > 0) {
    await pace({ perSecond, durationMs, startedAtMs, send: (count) => send(count % devices.length) });
    isOver = true;
    settle();
  } else for (const index of devices.keys()) for (let count = 0; count < inFlight; count += 1) send(index);
  await settled;
  const wallMs = performance.now() - startedAtMs;
  return {
    count: latencies.length,
    wallMs,
    perSecond: (latencies.length * 1_000) / wallMs,
    latenciesMs: Float64Array.from(latencies).toSorted(),
  };
}

interface Pace {
  readonly perSecond: number;
  readonly durationMs: number;
  readonly startedAtMs: number;
  readonly send: (count: number) => void;
}

/** What is due is sent at the next turn of a timer, at the latest a millisecond or two later; all contenders alike. */
async function pace({ perSecond, durationMs, startedAtMs, send }: Pace): Promise<void> {
  let count = 0;
  for (;;) {
    const elapsedMs = performance.now() - startedAtMs;
    const due = Math.min(elapsedMs, durationMs) * (perSecond / 1_000);
    for (; count < due; count += 1) send(count);
    if (elapsedMs >= durationMs) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The smallest that at least `ratio` of them do not exceed. */
export function quantile(sorted: Float64Array, ratio: number): number {
  return sorted[Math.max(0, Math.ceil(ratio * sorted.length) - 1)] ?? Number.NaN;
}
