// Lower triangles of order n in f64, packed row after row: row r begins at entry r (r + 1) ÷ 2. Every entry is found by
// the same operations in the same order as the twin's; two at a time where they do not depend on each other.
import { COLUMN } from "./scratch";

/** Bytes before row `row`. */
export function rowBytes(row: u32): usize {
  return (<usize>(row * (row + 1))) << 2;
}

/** to[i] −= factor × from[i]. */
function subtractScaled(to: usize, from: usize, factor: f64, count: u32): void {
  const factors = f64x2.splat(factor);
  const pairsEnd = to + ((<usize>(count & ~1)) << 3);
  while (to < pairsEnd) {
    v128.store(to, f64x2.sub(v128.load(to), f64x2.mul(factors, v128.load(from))));
    to += 16;
    from += 16;
  }
  if (count & 1) store<f64>(to, load<f64>(to) - factor * load<f64>(from));
}

/** to[i] = keep × to[i] + factor × from[i]. */
export function blendScaled(to: usize, from: usize, keep: f64, factor: f64, count: u32): void {
  const keeps = f64x2.splat(keep);
  const factors = f64x2.splat(factor);
  const pairsEnd = to + ((<usize>(count & ~1)) << 3);
  while (to < pairsEnd) {
    v128.store(to, f64x2.add(f64x2.mul(keeps, v128.load(to)), f64x2.mul(factors, v128.load(from))));
    to += 16;
    from += 16;
  }
  if (count & 1) store<f64>(to, keep * load<f64>(to) + factor * load<f64>(from));
}

/** Factors a symmetric m = L Lᵀ in place. False where m is not positive definite; m is then spoilt. */
export function factorTriangle(m: usize, n: u32): bool {
  for (let k: u32 = 0; k < n; k++) {
    const pivotAt = m + rowBytes(k) + ((<usize>k) << 3);
    const pivot = load<f64>(pivotAt);
    if (!(pivot > 0 && pivot < Infinity)) return false;
    const root = sqrt(pivot);
    store<f64>(pivotAt, root);
    for (let row = k + 1; row < n; row++) {
      const at = m + rowBytes(row) + ((<usize>k) << 3);
      const entry = load<f64>(at) / root;
      store<f64>(at, entry);
      store<f64>(COLUMN + ((<usize>row) << 3), entry);
      subtractScaled(at + 8, COLUMN + ((<usize>(k + 1)) << 3), entry, row - k);
    }
  }
  return true;
}

/** Solves L Lᵀ x = x in place. */
export function solveTriangles(factored: usize, n: u32, x: usize): void {
  for (let row: u32 = 0; row < n; row++) {
    const rowAt = factored + rowBytes(row);
    let sum = load<f64>(x + ((<usize>row) << 3));
    for (let k: usize = 0; k < (<usize>row) << 3; k += 8) sum -= load<f64>(rowAt + k) * load<f64>(x + k);
    store<f64>(x + ((<usize>row) << 3), sum / load<f64>(rowAt + ((<usize>row) << 3)));
  }
  for (let row = <i32>n - 1; row >= 0; row--) {
    const rowAt = factored + rowBytes(row);
    const entryAt = x + ((<usize>row) << 3);
    const entry = load<f64>(entryAt) / load<f64>(rowAt + ((<usize>row) << 3));
    store<f64>(entryAt, entry);
    subtractScaled(x, rowAt, entry, row);
  }
}

/** `into` = R Rᵀ of a lower triangle R. */
export function squareTriangle(root: usize, n: u32, into: usize): void {
  for (let row: u32 = 0; row < n; row++)
    for (let column: u32 = 0; column <= row; column++) {
      const rowAt = root + rowBytes(row);
      const columnAt = root + rowBytes(column);
      let sum: f64 = 0;
      for (let k: usize = 0; k <= (<usize>column) << 3; k += 8) sum += load<f64>(rowAt + k) * load<f64>(columnAt + k);
      store<f64>(into + rowBytes(row) + ((<usize>column) << 3), sum);
    }
}

/** trace(R Rᵀ (L Lᵀ)⁻¹) = |L⁻¹ R|² for a lower triangle R. `quotient` is as large as R, `squares` has n entries. */
export function traceOfQuotient(factored: usize, root: usize, n: u32, quotient: usize, squares: usize): f64 {
  memory.copy(quotient, root, rowBytes(n));
  memory.fill(squares, 0, (<usize>n) << 3);
  for (let row: u32 = 0; row < n; row++) {
    const rowAt = quotient + rowBytes(row);
    const factorAt = factored + rowBytes(row);
    for (let k: u32 = 0; k < row; k++) subtractScaled(rowAt, quotient + rowBytes(k), load<f64>(factorAt + ((<usize>k) << 3)), k + 1);
    const pivot = load<f64>(factorAt + ((<usize>row) << 3));
    for (let at: usize = 0; at <= (<usize>row) << 3; at += 8) {
      const entry = load<f64>(rowAt + at) / pivot;
      store<f64>(rowAt + at, entry);
      store<f64>(squares + at, load<f64>(squares + at) + entry * entry);
    }
  }
  let trace: f64 = 0;
  for (let at: usize = 0; at < (<usize>n) << 3; at += 8) trace += load<f64>(squares + at);
  return trace;
}
