// A paced body in virtual time: waiting is what moves the clock.
import { describe, expect, it } from "vitest";
import { pace, type ByteCredit } from "#gateway/upstream/pace.ts";

/** So many bytes a second, a second's worth at once. */
class Bucket implements ByteCredit {
  nowMs = 0;
  waits = 0;
  taken = 0;
  readonly isWaiting = false;
  readonly #perSecond: number;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  take(bytes: number): number {
    const left = this.#perSecond * (1 + this.nowMs / 1_000) - this.taken;
    const granted = Math.min(bytes, Math.max(0, Math.floor(left)));
    this.taken += granted;
    return granted;
  }

  get waitMs(): number {
    return 50;
  }

  readonly wait = async (durationMs: number): Promise<void> => {
    this.nowMs += durationMs;
    this.waits += 1;
    return Promise.resolve();
  };
}

function bodyOf(chunks: readonly number[], fail?: Error): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      const bytes = chunks[next];
      next += 1;
      if (bytes !== undefined) controller.enqueue(new Uint8Array(bytes).fill(next));
      else if (fail) controller.error(fail);
      else controller.close();
    },
  });
}

/** What arrives, and when each piece did. */
function collect(bucket: Bucket): {
  readonly pieces: { bytes: number; atMs: number }[];
  readonly sink: WritableStream<Uint8Array>;
  isClosed: boolean;
} {
  const collected = {
    pieces: [] as { bytes: number; atMs: number }[],
    isClosed: false,
    sink: new WritableStream<Uint8Array>({
      write(piece) {
        collected.pieces.push({ bytes: piece.byteLength, atMs: bucket.nowMs });
      },
      close() {
        collected.isClosed = true;
      },
    }),
  };
  return collected;
}

const signal = new AbortController().signal;

describe("a paced body", () => {
  it("arrives whole, never faster than its rate and a second's burst, and no slower than that by more than a look", async () => {
    const bucket = new Bucket(100_000);
    const collected = collect(bucket);
    await pace(bodyOf([250_000, 1, 0, 250_000]), collected.sink, { credit: bucket, signal, wait: bucket.wait });
    let bytes = 0;
    for (const piece of collected.pieces) {
      bytes += piece.bytes;
      expect(bytes).toBeLessThanOrEqual(100_000 * (1 + piece.atMs / 1_000));
    }
    expect(bytes).toBe(500_001);
    expect(bucket.nowMs).toBeGreaterThanOrEqual(4_000);
    expect(bucket.nowMs).toBeLessThanOrEqual(4_100);
    expect(collected.isClosed).toBe(true);
  });

  it("takes turns with another in small pieces", async () => {
    const bucket = new Bucket(1_000_000);
    const collected = collect(bucket);
    await pace(bodyOf([1_000_000]), collected.sink, { credit: bucket, signal, wait: bucket.wait });
    expect(Math.max(...collected.pieces.map(({ bytes }) => bytes))).toBe(16_384);
  });

  it("that its source breaks off is broken off, never ended as if whole", async () => {
    const bucket = new Bucket(1_000);
    const collected = collect(bucket);
    const broken = new Error("broke off");
    await expect(pace(bodyOf([10], broken), collected.sink, { credit: bucket, signal, wait: bucket.wait })).rejects.toThrow("broke off");
    expect(collected.isClosed).toBe(false);
  });

  it("that nobody takes any more stops its source", async () => {
    let isCancelled = false;
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel() {
        isCancelled = true;
      },
    });
    const sink = new WritableStream<Uint8Array>({
      write() {
        throw new Error("gone");
      },
    });
    const bucket = new Bucket(1_000);
    await expect(pace(source, sink, { credit: bucket, signal, wait: bucket.wait })).rejects.toThrow("gone");
    expect(isCancelled).toBe(true);
  });

  it("that waits for credit ends with its request", async () => {
    const aborter = new AbortController();
    const bucket = new Bucket(0);
    const wait = async (): Promise<void> => aborter.abort(new Error("cut"));
    const done = pace(bodyOf([10]), collect(bucket).sink, { credit: bucket, signal: aborter.signal, wait });
    await expect(done).rejects.toThrow("cut");
  });
});
