// Hostile shards and keys through the Maglev binding: an operation is one replacement or one look-up, against the twin.
import { expect, it } from "vitest";
import { MaglevTable } from "#wasm/binding/maglev-table.ts";
import type { WeightedShard } from "#wasm/binding/shard-table.ts";
import { maglevReference } from "#wasm/reference/maglev.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { kernels } from "../support/kernels.ts";
import { HOSTILE, guarded, isAccepted } from "./hostile.ts";
import { seededRandom } from "./seeded-random.ts";

const SEED = 20261121;
const OPERATION_COUNT = 100_000;
const CAPACITY = 12;
const KEY_BYTES_MAX = 8_192;

const { below } = seededRandom(SEED);
const encoder = new TextEncoder();

/** Any UTF-16, halves of surrogate pairs too; one in 500 about as long as a key may be. */
function anyText(): string {
  if (below(500) === 0) return "k".repeat(KEY_BYTES_MAX - 1 + below(3));
  return String.fromCharCode(...Array.from({ length: below(16) }, () => (below(2) === 0 ? 97 + below(4) : below(0x1_0000))));
}

/** One table in four has a weight that may be none, one in 20 is too long; names repeat. */
function anyShards(): WeightedShard[] {
  const isHostile = below(4) === 0;
  const weight = (): number => (isHostile && below(4) === 0 ? (HOSTILE[below(HOSTILE.length)] ?? 0) : below(9));
  return Array.from({ length: below(20) === 0 ? CAPACITY + 1 + below(3) : below(CAPACITY + 1) }, () => ({
    shardId: anyText(),
    weight: weight(),
  }));
}

it(`is its twin, never traps and never leaves its place: ${OPERATION_COUNT} operations, seed ${SEED}`, () => {
  const { table, areGuardsWhole } = guarded((instance) =>
    [7, 17, 101].map((size) => ({ size, maglev: new MaglevTable(instance, CAPACITY, size) })),
  );
  const expected = new Map(table.map(({ size }) => [size, Array.from({ length: size }, () => -1)]));
  const seen = { replaced: 0, refused: 0, found: 0, tooLong: 0 };
  for (let run = 0; run < OPERATION_COUNT; run += 1) {
    const { size, maglev } = table[below(table.length)] ?? expect.unreachable();
    if (below(8) === 0) {
      const shards = anyShards();
      const wanted = isAccepted(() => maglev.replace(shards));
      if (wanted) expected.set(size, maglevReference(shards, size));
      // Refused for a reason, and taken without one; what is refused leaves the entries that there were.
      const isSound =
        shards.length <= CAPACITY &&
        shards.every(
          ({ shardId, weight }) => Number.isInteger(weight) && weight >= 0 && weight <= 2 ** 20 && bytesOf(shardId) <= KEY_BYTES_MAX,
        );
      expect(wanted).toBe(isSound);
      expect(maglev.entries()).toEqual(expected.get(size));
      seen[wanted ? "replaced" : "refused"] += 1;
    } else {
      const key = anyText();
      let found = -2;
      if (isAccepted(() => (found = maglev.choose(key)))) {
        expect(found).toBe(expected.get(size)?.[Number(xxh64Reference(encoder.encode(key), 0n) % BigInt(size))]);
        seen.found += 1;
      } else {
        expect(bytesOf(key)).toBeGreaterThan(KEY_BYTES_MAX);
        seen.tooLong += 1;
      }
    }
  }
  expect(areGuardsWhole()).toBe(true);
  // Counted where they happened, so that no kind can shrink unseen.
  expect(seen.replaced + seen.refused + seen.found + seen.tooLong).toBeGreaterThanOrEqual(100_000);
  expect(seen.replaced).toBeGreaterThan(8_000);
  expect(seen.refused).toBeGreaterThan(500);
  expect(seen.tooLong).toBeGreaterThan(20);
});

it("is made for sound capacities and sizes only: 5,000 of any", () => {
  const any = (useful: number): number => (below(3) === 0 ? (HOSTILE[below(HOSTILE.length)] ?? 0) : useful);
  const made = { yes: 0, no: 0 };
  for (let run = 0; run < 5_000; run += 1) {
    // A fresh memory now and then: what was made stays in it.
    if (run % 100 === 0) subject = kernels();
    const [capacity, size] = [any(below(20)), any(below(110))];
    const accepted = isAccepted(() => new MaglevTable(subject, capacity, size));
    expect(accepted).toBe(Number.isInteger(capacity) && capacity >= 1 && capacity <= 4_096 && isOddPrime(size));
    made[accepted ? "yes" : "no"] += 1;
  }
  expect(made.yes).toBeGreaterThan(300);
  expect(made.no).toBeGreaterThan(300);
});

let subject = kernels();

function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

function isOddPrime(value: number): boolean {
  return (
    value >= 3 &&
    Number.isInteger(value) &&
    value < 1_000 &&
    Array.from({ length: value - 2 }, (_, index) => index + 2).every((d) => value % d !== 0)
  );
}
