// Lower triangles of order n, packed row after row: entry (row, column) lies at row (row + 1) ÷ 2 + column.

import { logarithm } from "../elementary.ts";

/** Factors a symmetric m = L Lᵀ in place. False where m is not positive definite; m is then spoilt. */
export function factorTriangle(m: Float64Array, n: number): boolean {
  let rowAt = 0;
  for (let row = 0; row < n; row += 1) {
    let columnAt = 0;
    for (let column = 0; column < row; column += 1) {
      let sum = m[rowAt + column]!;
      for (let k = 0; k < column; k += 1) sum -= m[rowAt + k]! * m[columnAt + k]!;
      columnAt += column;
      m[rowAt + column] = sum / m[columnAt]!;
      columnAt += 1;
    }
    let sum = m[rowAt + row]!;
    for (let k = 0; k < row; k += 1) sum -= m[rowAt + k]! * m[rowAt + k]!;
    if (!(sum > 0 && sum < Infinity)) return false;
    m[rowAt + row] = Math.sqrt(sum);
    rowAt += row + 1;
  }
  return true;
}

/** Solves L Lᵀ x = x in place. */
export function solveTriangles(factored: Float64Array, n: number, x: Float64Array): void {
  let rowAt = 0;
  for (let row = 0; row < n; row += 1) {
    let sum = x[row]!;
    for (let k = 0; k < row; k += 1) sum -= factored[rowAt + k]! * x[k]!;
    x[row] = sum / factored[rowAt + row]!;
    rowAt += row + 1;
  }
  for (let row = n - 1; row >= 0; row -= 1) {
    rowAt -= row + 1;
    const entry = x[row]! / factored[rowAt + row]!;
    x[row] = entry;
    for (let k = 0; k < row; k += 1) x[k] = x[k]! - factored[rowAt + k]! * entry;
  }
}

/** G = R Rᵀ of a lower triangle R. */
export function squareTriangle(root: Float64Array, n: number, into: Float64Array): void {
  for (let row = 0, rowAt = 0; row < n; rowAt += row + 1, row += 1)
    for (let column = 0, columnAt = 0; column <= row; columnAt += column + 1, column += 1) {
      let sum = 0;
      for (let k = 0; k <= column; k += 1) sum += root[rowAt + k]! * root[columnAt + k]!;
      into[rowAt + column] = sum;
    }
}

/** trace(R Rᵀ (L Lᵀ)⁻¹) = |L⁻¹ R|², a column at a time; `scratch` holds n numbers. As dear as the factoring. */
export function traceOfQuotient({
  root,
  factored,
  n,
  scratch,
}: {
  root: Float64Array;
  factored: Float64Array;
  n: number;
  scratch: Float64Array;
}): number {
  let trace = 0;
  for (let column = 0; column < n; column += 1) {
    let squares = 0;
    let rowAt = (column * (column + 1)) / 2;
    for (let row = column; row < n; row += 1) {
      let sum = root[rowAt + column]!;
      for (let k = column; k < row; k += 1) sum -= factored[rowAt + k]! * scratch[k]!;
      const entry = sum / factored[rowAt + row]!;
      scratch[row] = entry;
      squares += entry * entry;
      rowAt += row + 1;
    }
    trace += squares;
  }
  return trace;
}

/** Σ log of the diagonal: half of log |L Lᵀ|. */
export function halfLogDeterminant(factored: Float64Array, n: number): number {
  let sum = 0;
  for (let row = 0, at = 0; row < n; row += 1, at += row + 1) sum += logarithm(factored[at]!);
  return sum;
}

export function triangleSize(n: number): number {
  return (n * (n + 1)) / 2;
}
