/** What was about to be done with the value, and what it should be. */
export interface Range {
  readonly doing: string;
  readonly min: number;
  readonly max: number;
}

/** Throws RangeError unless `value` is an integer of the range. */
export function checkInteger(value: number, { doing, min, max }: Range): void {
  if (!(Number.isInteger(value) && value >= min && value <= max))
    throw new RangeError(`Cannot ${doing}: it is ${value}, expected an integer from ${min} to ${max}`);
}

/** Throws RangeError unless `value` is a number of the range. */
export function checkNumber(value: number, { doing, min, max }: Range): void {
  if (!(value >= min && value <= max)) throw new RangeError(`Cannot ${doing}: it is ${value}, expected a number from ${min} to ${max}`);
}

/** Throws RangeError unless `value` is a power of two of the range. */
export function checkPowerOfTwo(value: number, { doing, min, max }: Range): void {
  if (!(value >= min && value <= max && Number.isInteger(Math.log2(value)) && 2 ** Math.round(Math.log2(value)) === value))
    throw new RangeError(`Cannot ${doing}: it is ${value}, expected a power of two from ${min} to ${max}`);
}
