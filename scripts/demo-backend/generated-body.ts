import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { Directives } from "./directives.ts";

const PIECE = Buffer.alloc(65_536, "0123456789abcdef");

/** `bytes` bytes in `chunks` parts, with a pause before each but the first. Holds one piece, however long the body is. */
export function generatedBody({ bytes = 0, chunks, chunkDelayMs }: Directives, signal: AbortSignal): Readable {
  return Readable.from(generate({ bytes, chunks, chunkDelayMs, signal }), { objectMode: false });
}

async function* generate({
  bytes,
  chunks,
  chunkDelayMs,
  signal,
}: {
  bytes: number;
  chunks: number;
  chunkDelayMs: number;
  signal: AbortSignal;
}): AsyncGenerator<Buffer> {
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (chunk > 0 && chunkDelayMs > 0) await setTimeout(chunkDelayMs, undefined, { signal });
    // Cut by multiplication, so that the parts add up to exactly `bytes`.
    let rest = Math.floor((bytes * (chunk + 1)) / chunks) - Math.floor((bytes * chunk) / chunks);
    for (; rest > 0; rest -= PIECE.length) yield rest < PIECE.length ? PIECE.subarray(0, rest) : PIECE;
  }
}
