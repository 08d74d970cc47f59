// Many devices with the SDK before one gateway: opened, talking, drained from shard to shard, closed, and each one checked.
import { setTimeout } from "node:timers/promises";
import { callGateway } from "#cli/gateway-api.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import { faultOfEnd } from "./close-verdict.ts";
import { FleetDevice } from "./fleet-device.ts";

export interface FleetOptions {
  readonly url: string;
  readonly operatorKey: string;
  readonly service: string;
  readonly count: number;
  /** Of all devices together. */
  readonly messagesPerSecond: number;
  readonly drainGraceMs: number;
  readonly tokenOf: (device: string) => Promise<string>;
  readonly answerTo: (message: string) => string;
  readonly onProgress: (what: string) => void;
}

export interface FleetResult {
  readonly devices: number;
  readonly shardsDrained: number;
  readonly sent: number;
  readonly received: number;
  /** Connections beyond each device's first. */
  readonly reconnections: number;
  /** Upgrades that were refused, with when to come back, or given up before they were answered. */
  readonly refusals: number;
  /** How often a connection ended with a code, as the device saw it. */
  readonly closes: Readonly<Record<string, number>>;
  readonly openMs: number;
  readonly drainMs: number;
  readonly closeMs: number;
  readonly faultCount: number;
  /** Some of them; none: nothing was lost, repeated, out of order or closed wrongly. */
  readonly faults: readonly string[];
}

const DRAIN_REASON = "rolling";
const OPENING_MAX = 64;
const POLL_MS = 200;
const TICK_MS = 20;
/** What does not move for so long is stuck. */
const STUCK_MS = 2 * MINUTE_MS;
const CALL_ATTEMPTS_MAX = 5;
const FAULTS_MAX = 20;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #devices: FleetDevice[] = [];
  #talk: AbortController | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** All of it. `onPhase` is awaited before the next phase begins. */
  async run(onPhase: (phase: "open" | "drained" | "closed") => Promise<void> | void): Promise<FleetResult> {
    const openMs = await timed(async () => this.#open());
    await onPhase("open");
    const talk = new AbortController();
    this.#talk = talk;
    const talking = this.#talkUntil(talk.signal);
    let shardsDrained = 0;
    const drainMs = await timed(async () => (shardsDrained = await this.#drainAll()));
    talk.abort();
    await talking;
    await this.#untilAllAnswered();
    await onPhase("drained");
    const closeMs = await timed(async () => Promise.all(this.#devices.map(async (device) => device.close())));
    await this.#untilAllClosed();
    await onPhase("closed");
    return { ...this.#account(), shardsDrained, openMs, drainMs, closeMs };
  }

  /** Ends every device, at once. */
  async stop(): Promise<void> {
    this.#talk?.abort();
    await Promise.all(this.#devices.map(async (device) => device.close()));
  }

  async #open(): Promise<void> {
    const { count, url, service, tokenOf, answerTo, onProgress } = this.#options;
    for (let first = 0; first < count; first += OPENING_MAX) {
      const names = Array.from({ length: Math.min(OPENING_MAX, count - first) }, (_, index) => `d-${first + index}`);
      const devices = names.map((name) => new FleetDevice({ url, service, name, answerTo, token: async () => tokenOf(name) }));
      this.#devices.push(...devices);
      await Promise.all(devices.map(async (device) => device.online()));
      onProgress(`${this.#devices.length} of ${count} devices are online`);
    }
  }

  /** Each device in turn, as many a second as were asked for. */
  async #talkUntil(signal: AbortSignal): Promise<void> {
    const { messagesPerSecond } = this.#options;
    const startedAtMs = performance.now();
    for (let turn = 0; !signal.aborted;) {
      const due = ((performance.now() - startedAtMs) / SECOND_MS) * messagesPerSecond;
      // A full window is the device's business: its turn comes again.
      for (; turn < due; turn += 1) this.#devices[turn % this.#devices.length]?.send();
      await setTimeout(TICK_MS);
    }
  }

  async #drainAll(): Promise<number> {
    const { service, drainGraceMs, onProgress } = this.#options;
    await this.#drainCall("POST", "/v1/drain", { service, reason: DRAIN_REASON, graceMs: drainGraceMs });
    let before = "";
    let changedAtMs = performance.now();
    for (;;) {
      const { shards } = await this.#drainCall("GET", `/v1/drain?service=${service}`);
      const drained = shards.filter(({ state }) => state === "drained").length;
      if (drained === shards.length) return drained;
      const now = JSON.stringify(shards);
      if (now !== before) changedAtMs = performance.now();
      else if (performance.now() - changedAtMs > STUCK_MS) throw new Error(`Cannot drain ${service}: stuck at ${now.slice(0, 2_000)}`);
      if (now !== before) onProgress(`${drained} of ${shards.length} shards are drained; ${this.#sum("received")} messages came back`);
      before = now;
      await setTimeout(POLL_MS);
    }
  }

  async #drainCall(method: "GET" | "POST", path: string, body?: unknown): Promise<{ shards: { state: string }[] }> {
    const { url, operatorKey } = this.#options;
    const { status, json, text } = await this.#retry(async () => callGateway({ url, path, method, bearer: operatorKey, body }));
    if (status !== 200) throw new Error(`Cannot drain: the gateway answered ${status}: ${text.slice(0, 500)}`);
    return json as { shards: { state: string }[] };
  }

  /** A busy machine's gateway may have closed an idle connection while a call was on its way. Both calls may be repeated. */
  async #retry<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        if (attempt === CALL_ATTEMPTS_MAX) throw error;
        await setTimeout(POLL_MS);
      }
    }
  }

  async #untilAllAnswered(): Promise<void> {
    await this.#until(
      () => this.#sum("received") + this.#sum("faultCount"),
      () => this.#devices.every(({ sent, received, faultCount }) => received >= sent || faultCount > 0),
    );
  }

  /** The gateway's side of every close has come. */
  async #untilAllClosed(): Promise<void> {
    await this.#until(
      () => this.#sum("endCount"),
      () => this.#devices.every(({ endCount, connections }) => endCount >= connections),
    );
  }

  /** Until it is done, or stands still: what is missing then is counted. */
  async #until(progress: () => number, isDone: () => boolean): Promise<void> {
    let before = Number.NaN;
    let changedAtMs = performance.now();
    while (!isDone()) {
      const now = progress();
      if (now !== before) changedAtMs = performance.now();
      if (performance.now() - changedAtMs > STUCK_MS) return;
      before = now;
      await setTimeout(POLL_MS);
    }
  }

  #sum(what: "sent" | "received" | "faultCount" | "endCount" | "connections" | "refusals"): number {
    return this.#devices.reduce((sum, device) => sum + device[what], 0);
  }

  #account(): Omit<FleetResult, "openMs" | "drainMs" | "closeMs" | "shardsDrained"> {
    const faults = this.#devices.flatMap((device) => [...device.faults, ...lossesOf(device), ...closeFaultsOf(device)]);
    const ends = this.#devices.flatMap((device) => device.ends);
    return {
      devices: this.#devices.length,
      sent: this.#sum("sent"),
      received: this.#sum("received"),
      refusals: this.#sum("refusals"),
      reconnections: this.#sum("connections") - this.#devices.length,
      closes: Object.fromEntries(
        Object.entries(Object.groupBy(ends, ({ code }) => String(code))).map(([code, of]) => [code, of?.length ?? 0]),
      ),
      faultCount: faults.length,
      faults: faults.slice(0, FAULTS_MAX),
    };
  }
}

function lossesOf({ name, sent, received }: FleetDevice): string[] {
  return received === sent ? [] : [`${name}: ${received} answers came in order, expected ${sent}`];
}

function closeFaultsOf({ name, ends, endCount, connections }: FleetDevice): string[] {
  const wrong = ends.flatMap((end) => faultOfEnd(end, DRAIN_REASON) ?? []);
  const last = ends.filter(({ code }) => code === 1000).length;
  if (last !== 1) wrong.push(`${last} connections ended with 1000, expected the last one alone`);
  if (endCount !== connections) wrong.push(`${endCount} of ${connections} connections ended`);
  return wrong.map((fault) => `${name}: ${fault}`);
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await run();
  return performance.now() - startedAtMs;
}
