// Symmetric positive definite systems of order n, row-major in place; only the lower triangle is read or written.

/** Factors m = L Lᵀ. False where m is not positive definite; m is then spoilt. */
export function factor(m: Float64Array, n: number): boolean {
  for (let row = 0; row < n; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      let sum = m[row * n + column]!;
      for (let k = 0; k < column; k += 1) sum -= m[row * n + k]! * m[column * n + k]!;
      if (column < row) m[row * n + column] = sum / m[column * n + column]!;
      else if (sum > 0 && sum < Infinity) m[row * n + row] = Math.sqrt(sum);
      else return false;
    }
  }
  return true;
}

/** Solves L Lᵀ x = x in place. */
export function solveFactored(factored: Float64Array, n: number, x: Float64Array): void {
  for (let row = 0; row < n; row += 1) {
    let sum = x[row]!;
    for (let k = 0; k < row; k += 1) sum -= factored[row * n + k]! * x[k]!;
    x[row] = sum / factored[row * n + row]!;
  }
  for (let row = n - 1; row >= 0; row -= 1) {
    let sum = x[row]!;
    for (let k = row + 1; k < n; k += 1) sum -= factored[k * n + row]! * x[k]!;
    x[row] = sum / factored[row * n + row]!;
  }
}

/** trace(D (L Lᵀ)⁻¹) for a diagonal D: Σ d(j) |L⁻¹ e(j)|². `scratch` is as long as the diagonal. */
export function traceOfInverse(factored: Float64Array, diagonal: Float64Array, scratch: Float64Array): number {
  const n = diagonal.length;
  let trace = 0;
  for (let column = 0; column < n; column += 1) {
    let squares = 0;
    for (let row = column; row < n; row += 1) {
      let sum = row === column ? 1 : 0;
      for (let k = column; k < row; k += 1) sum -= factored[row * n + k]! * scratch[k]!;
      const entry = sum / factored[row * n + row]!;
      scratch[row] = entry;
      squares += entry * entry;
    }
    trace += diagonal[column]! * squares;
  }
  return trace;
}
