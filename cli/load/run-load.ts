// A load from its parts: when arrivals come, who they are, how they are sent, what became of them.
import { setMaxListeners } from "node:events";
import { arrivalTimes } from "./arrival-times.ts";
import { HttpSender } from "./http-sender.ts";
import { isAdmitted } from "./load-outcome.ts";
import { describeMix, drawArrival, MESSAGES_PER_SOCKET, POST_BODY_BYTES, type Arrival, type Mix } from "./mix.ts";
import { LoadTally, type LoadReport } from "./load-report.ts";
import { Random } from "./random.ts";
import { replay, type Due } from "./replay.ts";
import { runSocketSession } from "./socket-session.ts";
import type { TokenSource } from "./token-source.ts";
import type { TracePoint } from "./trace-point.ts";

export interface LoadOptions {
  readonly url: string;
  readonly points: AsyncIterable<TracePoint>;
  readonly stepMs: number;
  /** The part of the trace to replay. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Trace time ÷ wall time. */
  readonly speed: number;
  readonly scale: number;
  readonly seed: number;
  readonly mix: Mix;
  readonly classOrder: readonly string[];
  readonly tokens: TokenSource;
  readonly inFlightMax: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly progress: (ratio: number, text: string) => void;
}

export interface PlannedArrival extends Arrival, Due {
  /** Counted from 0 in the order of the plan. */
  readonly index: number;
}

const POST_BODY = Buffer.alloc(POST_BODY_BYTES, "tidegate ");

/** Replays a trace against a gateway. Resolves to the report, also where the signal ended it early. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const { url, mix, seed, classOrder, inFlightMax, timeoutMs, signal, speed, fromMs, untilMs } = options;
  setMaxListeners(0, signal); // One per request in flight; they are counted elsewhere.
  const tally = new LoadTally();
  const http = new HttpSender({ url, timeoutMs, connectionCountMax: inFlightMax });
  const wallMs = (untilMs - fromMs) / speed;
  try {
    await replay({
      arrivals: planArrivals(options),
      send: (arrival, dueAtMs) => sendArrival({ arrival, dueAtMs, options, http, tally }),
      inFlightMax,
      skip: () => tally.skipped++,
      tick: ({ elapsedMs, inFlight }) => {
        const refused = tally.countOf((outcome) => !isAdmitted(outcome));
        options.progress(elapsedMs / wallMs, `${tally.sent} sent, ${inFlight} open, ${refused} not served, ${tally.skipped} skipped`);
      },
      signal,
    });
  } finally {
    http.close();
  }
  return tally.report({ seed, mix: describeMix(mix), classOrder });
}

/** The whole plan, drawn ahead of any answer: the same seed, trace and mix give the same arrivals. */
export async function* planArrivals(
  options: Pick<LoadOptions, "points" | "stepMs" | "fromMs" | "untilMs" | "scale" | "seed" | "speed" | "mix">,
): AsyncGenerator<PlannedArrival> {
  const choices = new Random(options.seed, 1);
  let index = 0;
  for await (const atMs of arrivalTimes({ ...options, random: new Random(options.seed, 0) })) {
    yield { dueMs: (atMs - options.fromMs) / options.speed, index: index++, ...drawArrival(options.mix, choices) };
  }
}

interface Sending {
  readonly arrival: PlannedArrival;
  readonly dueAtMs: number;
  readonly options: LoadOptions;
  readonly http: HttpSender;
  readonly tally: LoadTally;
}

async function sendArrival({ arrival, dueAtMs, options: { url, tokens, timeoutMs, signal }, http, tally }: Sending): Promise<void> {
  const token = await tokens.tokenFor(arrival, Date.now());
  tally.sending(performance.now() - dueAtMs);
  const { service, className, way } = arrival;
  if (way === "socket") {
    tally.ended(await runSocketSession({ url, service, token, messageCount: MESSAGES_PER_SOCKET, timeoutMs, signal }));
    return;
  }
  const headers = { authorization: `Bearer ${token}`, priority: `u=${arrival.urgency}` };
  const result = await http.send({
    method: way,
    path: `/s/${service}/load/${arrival.index}`,
    headers: way === "POST" ? { ...headers, "content-type": "text/plain", "content-length": String(POST_BODY_BYTES) } : headers,
    ...(way === "POST" ? { body: POST_BODY } : {}),
    signal,
  });
  tally.ended(result.outcome);
  tally.answered({ ...result, className });
}
