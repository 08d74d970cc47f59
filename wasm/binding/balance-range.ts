// Ranges that the balancers' bindings share.

const SHARD_COUNT_MAX = 1_024;

export function checkInteger(verb: string, value: number, [least, most]: readonly [number, number]): void {
  if (!(Number.isInteger(value) && value >= least && value <= most))
    throw new RangeError(`Cannot ${verb}: ${value}, expected an integer from ${least} to ${most}`);
}

export function checkCapacity(capacity: number): void {
  checkInteger("make a table of shards", capacity, [1, SHARD_COUNT_MAX]);
}

export function checkIndex(index: number, count: number): void {
  if (!(Number.isInteger(index) && index >= 0 && index < count))
    throw new RangeError(`Cannot find shard ${index}: expected an index below ${count}`);
}
