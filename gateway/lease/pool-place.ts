import type { Region } from "#shared/config/regions.ts";

/** One of a service's pools. */
export interface PoolPlace {
  readonly service: string;
  /** Null: the home pool. */
  readonly region: Region | null;
  /** Where the home pool is to be; undefined: wherever it is asked for first. */
  readonly home?: Region | undefined;
}
