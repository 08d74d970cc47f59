// What a request asks of the backend in its query: delays, statuses, bodies, faults.
import { MINUTE_MS } from "#shared/units.ts";

/** How a faulty endpoint behaves. */
export const FAULTS = [
  /** Never answers. */
  "hang",
  /** Resets the connection instead of answering. */
  "reset",
  /** Answers with bytes that are not HTTP. */
  "garbage",
  /** Resets the connection in the middle of the body. */
  "reset-body",
  /** Ends the connection in the middle of the headers. */
  "abort-headers",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Directives {
  /** Before the answer, or before each echo of a socket; undefined: the backend's own. */
  readonly delayMs?: number;
  readonly status: number;
  /** Of a generated body, in so many chunks with a pause before each but the first; undefined: none is asked for. */
  readonly bytes?: number;
  readonly chunks: number;
  readonly chunkDelayMs: number;
  readonly fault?: Fault;
  /** Closes a socket so after its first message. */
  readonly closeCode?: number;
  readonly closeReason: string;
}

const BOUNDS = {
  delayMs: { min: 0, max: 10 * MINUTE_MS },
  status: { min: 200, max: 599 },
  bytes: { min: 0, max: 2 ** 30 },
  chunks: { min: 1, max: 10_000 },
  chunkDelayMs: { min: 0, max: MINUTE_MS },
  closeCode: { min: 1000, max: 4999 },
} as const;
/** RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code. */
const CLOSE_REASON_BYTES_MAX = 123;

/** Reads the query, or says what is wrong with it. */
export function readDirectives(query: URLSearchParams): { ok: true; directives: Directives } | { ok: false; error: string } {
  const numbers: Partial<Record<keyof typeof BOUNDS, number>> = {};
  for (const [name, { min, max }] of Object.entries(BOUNDS) as [keyof typeof BOUNDS, { min: number; max: number }][]) {
    const text = query.get(name);
    if (text === null) continue;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      return { ok: false, error: `Cannot read ${name}: is ${JSON.stringify(text)}, expected an integer from ${min} to ${max}` };
    numbers[name] = value;
  }
  const faultText = query.get("fault");
  const fault = FAULTS.find((name) => name === faultText);
  if (faultText !== null && fault === undefined)
    return { ok: false, error: `Cannot read fault: is ${JSON.stringify(faultText)}, expected one of ${FAULTS.join(", ")}` };
  const closeReason = query.get("closeReason") ?? "";
  if (Buffer.byteLength(closeReason) > CLOSE_REASON_BYTES_MAX)
    return { ok: false, error: `Cannot read closeReason: is too long, expected at most ${CLOSE_REASON_BYTES_MAX} bytes` };
  return {
    ok: true,
    directives: { status: 200, chunks: 1, chunkDelayMs: 0, ...numbers, ...(fault === undefined ? {} : { fault }), closeReason },
  };
}
