// Logarithm and exponential from IEEE additions, products and quotients alone, in an order that the kernel repeats: the
// platform's own differ from engine to engine in their last bit. Relative error below 6e-16 (test).

const ROOT_HALF_HIGH = 0x3fe6a09e;
const ONE_HIGH = 0x3ff00000;
/** ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const HALF_LN2 = 0.34657359027997264;
const EXPONENT_MAX = 709;
const EXPONENT_MIN = -708;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** ln(1 + x) for x ≥ 0. */
export function logOnePlus(x: number): number {
  const u = 1 + x;
  if (u === 1) return x;
  if (u === Infinity) return Infinity;
  // What the sum lost, to first order.
  return logarithm(u) + (x < 1 ? x - (u - 1) : 1 - (u - x)) / u;
}

/** ln u for a normal u > 0. */
export function logarithm(u: number): number {
  double[0] = u;
  const high = words[1]! + (ONE_HIGH - ROOT_HALF_HIGH);
  const exponent = (high >>> 20) - 1023;
  words[1] = (high & 0xfffff) + ROOT_HALF_HIGH;
  // u = 2^exponent (1 + f), √½ ≤ 1 + f < √2; ln(1 + f) = 2 artanh(f ÷ (2 + f)).
  const f = double[0] - 1;
  const s = f / (2 + f);
  const z = s * s;
  const series =
    z *
    (1 / 3 +
      z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * (1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21))))))))));
  return exponent * LN2_HIGH + (2 * s + (2 * s * series + exponent * LN2_LOW));
}

/** eˣ, x held within what a normal double can be. */
export function exponential(x: number): number {
  const held = Math.min(EXPONENT_MAX, Math.max(EXPONENT_MIN, x));
  const k = Math.floor(held * Math.LOG2E + 0.5);
  const tail = exponentialTail(held - k * LN2_HIGH - k * LN2_LOW);
  words[0] = 0;
  words[1] = (k + 1023) << 20;
  return double[0]! + double[0]! * tail;
}

/** eˣ − 1. */
export function exponentialLessOne(x: number): number {
  return Math.abs(x) < HALF_LN2 ? exponentialTail(x) : exponential(x) - 1;
}

export function hyperbolicTangent(x: number): number {
  const twice = exponentialLessOne(2 * Math.abs(x));
  return x < 0 ? -(twice / (twice + 2)) : twice / (twice + 2);
}

// eʳ − 1 for |r| ≤ ½ ln 2, by its series to r¹³.
function exponentialTail(r: number): number {
  const fourth =
    1 / 24 +
    r *
      (1 / 120 +
        r *
          (1 / 720 +
            r *
              (1 / 5040 +
                r * (1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800)))))))));
  return r + r * r * (0.5 + r * (1 / 6 + r * fourth));
}
