import { seededRandom } from "../seeded-random.ts";

/** Keys of a Zipf-like stream: key-0 most often. The same for the same seed. */
export function zipfStream({ length, keyCount, seed }: { length: number; keyCount: number; seed: number }): string[] {
  const random = seededRandom(seed);
  return Array.from({ length }, () => `key-${Math.floor(keyCount ** random.next()) - 1}`);
}

export function truthOf(stream: readonly string[]): Map<string, number> {
  const truth = new Map<string, number>();
  for (const key of stream) truth.set(key, (truth.get(key) ?? 0) + 1);
  return truth;
}
