/**
 * Runs seeds from 1 to `seeds`, until one fails: which, and what it says; null: none did. `first`: where it begins; it comes round to all. A
 * canary that few seeds find begins at one that did, and takes long only when that one finds it no more.
 */
export async function firstFailure(
  run: (seed: number) => unknown,
  { seeds, first = 1 }: { readonly seeds: number; readonly first?: number | undefined },
): Promise<string | null> {
  for (let count = 0; count < seeds; count += 1) {
    const seed = 1 + ((first - 1 + count) % seeds);
    try {
      await run(seed);
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return null;
}
