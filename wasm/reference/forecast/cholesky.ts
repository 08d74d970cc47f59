// Lower triangles of order n, packed row after row: row r begins at r (r + 1) ÷ 2.

export function triangleSize(n: number): number {
  return (n * (n + 1)) / 2;
}

/** Factors a symmetric m = L Lᵀ in place. False where m is not positive definite; m is then spoilt. */
export function factor(m: Float64Array, n: number): boolean {
  for (let row = 0, rowAt = 0; row < n; rowAt += row + 1, row += 1)
    for (let column = 0, columnAt = 0; column <= row; columnAt += column + 1, column += 1) {
      let sum = m[rowAt + column]!;
      for (let k = 0; k < column; k += 1) sum -= m[rowAt + k]! * m[columnAt + k]!;
      if (column < row) m[rowAt + column] = sum / m[columnAt + column]!;
      else if (sum > 0 && sum < Infinity) m[rowAt + row] = Math.sqrt(sum);
      else return false;
    }
  return true;
}

/** Solves L Lᵀ x = x in place. */
export function solveFactored(factored: Float64Array, n: number, x: Float64Array): void {
  let rowAt = 0;
  for (let row = 0; row < n; row += 1) {
    let sum = x[row]!;
    for (let k = 0; k < row; k += 1) sum -= factored[rowAt + k]! * x[k]!;
    x[row] = sum / factored[rowAt + row]!;
    rowAt += row + 1;
  }
  for (let row = n - 1; row >= 0; row -= 1) {
    rowAt -= row + 1;
    x[row] = x[row]! / factored[rowAt + row]!;
    for (let k = 0; k < row; k += 1) x[k] = x[k]! - factored[rowAt + k]! * x[row]!;
  }
}

/** trace(R² (L Lᵀ)⁻¹) for a diagonal R: Σ |L⁻¹ R e(j)|². `scratch` is as long as the diagonal. */
export function traceOfQuotient(factored: Float64Array, diagonal: Float64Array, scratch: Float64Array): number {
  const n = diagonal.length;
  let trace = 0;
  for (let column = 0; column < n; column += 1) {
    let squares = 0;
    for (let row = column, rowAt = triangleSize(column); row < n; row += 1, rowAt += row) {
      let sum = row === column ? diagonal[column]! : 0;
      for (let k = column; k < row; k += 1) sum -= factored[rowAt + k]! * scratch[k]!;
      const entry = sum / factored[rowAt + row]!;
      scratch[row] = entry;
      squares += entry * entry;
    }
    trace += squares;
  }
  return trace;
}
