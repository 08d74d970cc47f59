/** The candidate that `name` was probably meant to be, or null when none is close. */
export function nearestName(name: string, candidates: readonly string[]): string | null {
  const beginnings = candidates.filter((candidate) => name !== "" && candidate.startsWith(name));
  if (beginnings.length === 1) return beginnings[0] ?? null;
  let nearest: string | null = null;
  // A third of the letters may be wrong: enough for a slip, too little for another word.
  let distanceMin = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name, candidate);
    if (distance < distanceMin) [nearest, distanceMin] = [candidate, distance];
  }
  return nearest;
}

/** Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Infinity;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, substitution, isSwap ? at(i - 2, j - 2) + 1 : Infinity));
    }
  }
  return at(a.length, b.length);
}
