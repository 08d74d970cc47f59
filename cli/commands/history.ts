import { DEMAND_SPEED_MAX, demandTimeOf } from "#shared/demand-clock.ts";
import { NAME_PATTERN } from "#shared/limits.ts";
import { HISTORY } from "#shared/protocol/demand-history.ts";
import { DAY_MS, HOUR_MS } from "#shared/units.ts";
import { defineCommand } from "../command.ts";
import { callGateway, findGateway, GATEWAY_OPTIONS, unexpectedAnswer } from "../gateway-api.ts";
import { historyBins, type HistoryBin } from "../history/history-bins.ts";
import { watchInterrupt } from "../interrupt.ts";
import { readTrace, summarizeTrace } from "../load/trace-file.ts";
import { readScale, TRACE_OPTIONS, windowOf } from "../load/trace-window.ts";
import { badValue, formatDuration, readDurationMs, readInteger, readPattern } from "../option-values.ts";
import { CliError, EXIT_FAILURE, EXIT_OK, type Output } from "../output.ts";

/** What the forecaster still knows of: its longest memory. */
const HISTORY_MS_MAX = 60 * DAY_MS;

export const historyCommand = defineCommand({
  name: "history",
  summary: "Tell a service's pool what was wanted of it before the gateway saw any of it, from a trace.",
  details: `The end of the trace, or of the part that --from and --for name, becomes now: a service that moves here brings its weeks along, and its
first day is planned like any other. Only before the service's first request; a pool that has seen demand itself believes that.

Slots are arrivals × --hold (Little's law). --speed is that of the gateway's demand clock (npm start -- --demand-speed) and of tidegate load: at 60 a
trace's hour passes in a minute, and a request holds its slot for sixty times as long, by the trace's clock.`,
  options: {
    ...TRACE_OPTIONS,
    service: { type: "string", required: true, placeholder: "NAME", description: "Whose past it is." },
    hold: {
      type: "string",
      required: true,
      placeholder: "DURATION",
      description: "How long a request holds its slot, in the mean, such as 50ms.",
    },
    speed: { type: "string", default: "1", placeholder: "NUMBER", description: "Of the gateway's demand clock." },
    for: { type: "string", placeholder: "DURATION", description: "How much of the trace to tell, such as 6d; else to its end." },
    ...GATEWAY_OPTIONS,
  },
  async run({ values, output, environment }) {
    const service = readPattern(values.service, { option: "--service", pattern: NAME_PATTERN, expected: "a service's name" });
    const speed = readInteger(values.speed, { option: "--speed", min: 1, max: DEMAND_SPEED_MAX });
    const scale = readScale(values.scale);
    const holdMs = readDurationMs(values.hold, { option: "--hold", min: 1, max: HOUR_MS }) * speed;
    const trace = await summarizeTrace(values.trace);
    const { fromMs, untilMs } = windowOf(trace, values);
    if (untilMs - fromMs > HISTORY_MS_MAX)
      throw badValue("--for", values.for ?? formatDuration(untilMs - fromMs), `at most ${formatDuration(HISTORY_MS_MAX)}`);
    const { url, state } = await findGateway(values, environment);
    const count = Math.floor((untilMs - fromMs) / HISTORY.binMs);
    // Of the demand's clock, whole bins back from now.
    const startMs = (Math.floor(demandTimeOf(Date.now(), speed) / HISTORY.binMs) - count) * HISTORY.binMs;
    const bins = historyBins({ points: readTrace(values.trace), stepMs: trace.stepMs, fromMs, untilMs, scale, holdMs });
    const teller = { url, operatorKey: await state.operatorKey(), service, startMs, count, speed };
    return tell(bins, teller, output);
  },
});

interface Teller {
  readonly url: string;
  readonly operatorKey: string;
  readonly service: string;
  readonly startMs: number;
  readonly count: number;
  /** Of the demand's clock: at 60 it is decades ahead. */
  readonly speed: number;
}

async function tell(
  bins: AsyncIterable<HistoryBin>,
  { url, operatorKey, service, startMs, count, speed }: Teller,
  output: Output,
): Promise<number> {
  const interrupt = watchInterrupt();
  const progress = output.progress("history");
  let told = 0;
  let slotsMax = 0;
  const send = async (chunk: readonly HistoryBin[]): Promise<void> => {
    if (chunk.length === 0) return;
    const slots = chunk.map((bin) => bin.slots);
    const body = {
      service,
      startMs: startMs + told * HISTORY.binMs,
      slots,
      arrivalsPerSecond: chunk.map(({ arrivalsPerSecond }) => arrivalsPerSecond),
    };
    const answer = await callGateway({ url, path: "/v1/history", method: "POST", bearer: operatorKey, body });
    if (answer.problem !== null)
      throw new CliError(`Cannot tell ${service} its history: ${answer.problem.detail ?? answer.problem.title ?? answer.status}`);
    if (answer.status !== 200) throw unexpectedAnswer("tell a history", url, answer);
    told += chunk.length;
    slotsMax = Math.max(slotsMax, ...slots);
    progress.update(told / count, `${formatDuration(told * HISTORY.binMs)} told`);
  };
  try {
    let chunk: HistoryBin[] = [];
    for await (const bin of bins) {
      if (interrupt.signal.aborted) break;
      if (chunk.push(bin) < HISTORY.binCountMax) continue;
      await send(chunk);
      chunk = [];
    }
    if (!interrupt.signal.aborted) await send(chunk);
  } finally {
    progress.end();
    interrupt.stop();
  }
  const knownUntil = new Date(startMs + told * HISTORY.binMs).toISOString();
  output.result({
    json: { service, binCount: told, slotsMax, knownUntil },
    text: `${service}: ${formatDuration(told * HISTORY.binMs)} told, at most ${slotsMax.toFixed(1)} slots wanted; known until ${knownUntil}${speed === 1 ? "" : " by the demand's clock"}`,
  });
  return told < count ? EXIT_FAILURE : EXIT_OK;
}
