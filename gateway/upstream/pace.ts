// A body at the pace of its tenant's bandwidth: what may not go yet waits here, one chunk of it, and the source behind it
// waits too. Only where a bandwidth is configured: other bodies are the runtime's own to pump.
import { KIB_BYTES, SECOND_MS } from "#shared/units.ts";

/** No larger piece is asked for, so that several bodies take turns. */
const PIECE_BYTES_MAX = 16 * KIB_BYTES;
/** Looked again at least so often, and never sooner than the least: another request may have brought credit meanwhile. */
const LOOK_AGAIN_MS_MAX = SECOND_MS;
const LOOK_AGAIN_MS_MIN = 5;

export interface ByteCredit {
  /** Takes up to so many bytes; how many may go now. */
  take(bytes: number): number;
  /** The last that was asked for got nothing. */
  readonly isWaiting: boolean;
  /** In how long it is worth asking again. */
  readonly waitMs: number;
}

export interface PaceOptions {
  readonly credit: ByteCredit;
  readonly signal: AbortSignal;
  /** Settles after so long, or earlier when aborted. */
  readonly wait: (durationMs: number) => Promise<void>;
}

/** Pumps `source` into `sink` as the credit allows. Rejects with the side's error that broke; closes the sink at the end. */
export async function pace(source: ReadableStream<Uint8Array>, sink: WritableStream<Uint8Array>, options: PaceOptions): Promise<void> {
  const reader = source.getReader();
  const writer = sink.getWriter();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) await sendPaced(read.value, writer, options);
    await writer.close();
  } catch (error) {
    // Whichever side it was, the other is told.
    await Promise.allSettled([reader.cancel(error), writer.abort(error)]);
    throw error;
  }
}

/** One chunk of it. Rejects where the sink broke, or the signal was aborted. */
export async function sendPaced(
  chunk: Uint8Array,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  { credit, signal, wait }: PaceOptions,
): Promise<void> {
  for (let sent = 0; sent < chunk.byteLength;) {
    signal.throwIfAborted();
    const bytes = credit.take(Math.min(PIECE_BYTES_MAX, chunk.byteLength - sent));
    if (bytes === 0) await wait(Math.min(LOOK_AGAIN_MS_MAX, Math.max(LOOK_AGAIN_MS_MIN, credit.waitMs)));
    else await writer.write(chunk.subarray(sent, sent + bytes));
    sent += bytes;
  }
}

/** `PaceOptions.wait` by the runtime's clock. */
export function waitOn(signal: AbortSignal): PaceOptions["wait"] {
  return (durationMs) =>
    new Promise((resolve) => {
      const timer = setTimeout(done, durationMs);
      signal.addEventListener("abort", done);
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
}
