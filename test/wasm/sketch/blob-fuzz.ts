// One corrupt blob after another, from a seed, against the kernel and its twin.
import { expect } from "vitest";
import { seededRandom } from "../seeded-random.ts";

interface Outcome {
  readonly ok: boolean;
  readonly reason?: string;
}

interface Mergeable {
  mergeBytes(blob: Uint8Array): Outcome;
  toBytes(): Uint8Array;
  clear(): void;
}

interface BlobFuzz {
  readonly kernel: Mergeable;
  readonly twin: Mergeable;
  /** Blobs to start from. */
  readonly blobs: readonly Uint8Array[];
  readonly runCount: number;
  readonly seed: number;
}

const INTERESTING = [0, 1, 127, 128, 255];

/**
 * Both say the same of every corrupt blob; what is refused changes nothing, and what is accepted leaves both alike.
 * Returns how often each outcome was seen.
 */
export function fuzzBlobs({ kernel, twin, blobs, runCount, seed }: BlobFuzz): Map<string, number> {
  const random = seededRandom(seed);
  const seen = new Map<string, number>();
  for (let run = 0; run < runCount; run += 1) {
    const blob = corrupt(blobs[random.below(blobs.length)] ?? new Uint8Array(), random.below);
    const before = kernel.toBytes();
    const [outcome, expected] = [kernel.mergeBytes(blob), twin.mergeBytes(blob)];
    const name = outcome.reason ?? "ok";
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (name !== (expected.reason ?? "ok")) expect({ seed, run, blob, outcome }).toEqual({ seed, run, blob, outcome: expected });
    if (outcome.ok) {
      if (!isSame(kernel.toBytes(), twin.toBytes()))
        expect({ seed, run, blob: kernel.toBytes() }).toEqual({ seed, run, blob: twin.toBytes() });
      kernel.clear();
      twin.clear();
    } else if (!isSame(kernel.toBytes(), before)) expect({ seed, run, blob: kernel.toBytes() }).toEqual({ seed, run, blob: before });
  }
  return seen;
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function corrupt(blob: Uint8Array, below: (bound: number) => number): Uint8Array {
  const bytes = [...blob];
  for (let edits = below(4); edits > 0; edits -= 1) {
    const at = below(bytes.length + 1);
    const value = below(2) === 0 ? below(256) : (INTERESTING[below(INTERESTING.length)] ?? 0);
    const edit = below(5);
    if (edit === 0) bytes[Math.min(at, Math.max(0, bytes.length - 1))] = value;
    else if (edit === 1) bytes.splice(at, 0, value);
    else if (edit === 2) bytes.splice(at, 1 + below(3));
    else if (edit === 3) bytes.length = at;
    else bytes[at === bytes.length ? 0 : at] = (bytes[at] ?? 0) ^ (1 << below(8));
  }
  return Uint8Array.from(bytes);
}

export function clearAll(sketches: readonly { clear(): void }[]): void {
  for (const sketch of sketches) sketch.clear();
}
