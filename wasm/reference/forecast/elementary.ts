// Logarithm and exponential from + − × ÷ and bits alone: the same double in every engine and in the kernel, which is what
// lets a twin be compared with its kernel after a million recursive steps. Relative error below 1e-14; arguments as named.

const WORD = new DataView(new ArrayBuffer(8));
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const EXPONENT_MAX = 700;

/** ln x for a finite x ≥ 2⁻¹⁰²². x = 2ᵏ f with f in [√½, √2); ln f = 2 artanh((f − 1) ÷ (f + 1)) by its series. */
export function ln(x: number): number {
  WORD.setFloat64(0, x);
  let high = WORD.getUint32(0);
  let k = (high >>> 20) - 1023;
  high = (high & 0xf_ffff) | 0x3ff0_0000;
  WORD.setUint32(0, high);
  let f = WORD.getFloat64(0);
  if (f > Math.SQRT2) {
    f /= 2;
    k += 1;
  }
  const s = (f - 1) / (f + 1);
  const z = s * s;
  let sum = 0;
  for (let n = 23; n >= 3; n -= 2) sum = z * (1 / n + sum);
  return k * LN2_HIGH + (2 * s + (2 * s * sum + k * LN2_LOW));
}

/** eˣ; beyond ±700 as at ±700. x = k ln 2 + r with |r| ≤ ½ ln 2; eʳ by its series. */
export function exp(x: number): number {
  const held = Math.min(EXPONENT_MAX, Math.max(-EXPONENT_MAX, x));
  const k = Math.floor(held / Math.LN2 + 0.5);
  const r = held - k * LN2_HIGH - k * LN2_LOW;
  let sum = 1;
  for (let n = 13; n >= 1; n -= 1) sum = 1 + (r / n) * sum;
  WORD.setUint32(0, (k + 1023) << 20);
  WORD.setUint32(4, 0);
  return sum * WORD.getFloat64(0);
}

/** ln(1 + x) for x ≥ 0; what 1 + x rounds away is put back. */
export function ln1p(x: number): number {
  const u = 1 + x;
  return u === 1 ? x : (ln(u) * x) / (u - 1);
}

/** eˣ − 1; where eˣ is near 1, what it rounds away is put back. */
export function expm1(x: number): number {
  const u = exp(x);
  if (u === 1) return x;
  return x > 1 || x < -1 ? u - 1 : ((u - 1) * x) / ln(u);
}
