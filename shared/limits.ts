import { HOUR_MS, KIB_BYTES, MIB_BYTES, MINUTE_MS, SECOND_MS } from "./units.ts";

/** Every bound that a caller or an operator can run into. Each one has a test that reaches it. */
export const LIMITS = {
  /** All header names and values of one request, together. */
  headerBytesMax: 32 * KIB_BYTES,
  tokenBytesMax: 4 * KIB_BYTES,
  /** Services that one token may name. */
  tokenServiceCountMax: 64,
  /** How far an issuer's clock may be ahead of or behind ours. */
  clockSkewMsMax: 5 * SECOND_MS,
  /** Verified tokens that one isolate remembers. */
  verifiedTokenCountMax: 10_000,
  verifiedTokenBytesMax: 8 * MIB_BYTES,
  classCountMax: 16,
  serviceCountMax: 500,
  /** With keys and classes of their own they reach configurationBytesMax sooner, at 2,000 or so. */
  tenantCountMax: 5_000,
  endpointCountMax: 64,
  unitHostCountMax: 16,
  keysPerTenantMax: 16,
  shardCountMax: 1_024,
  shardSizeMax: 10_000,
  capacityMax: 1_000_000,
  /** Tokens per second, and at once. */
  rateMax: 10_000_000,
  bandwidthBytesPerSecondMax: 64 * 1_024 * MIB_BYTES,
  deadlineMsMax: 10 * MINUTE_MS,
  requestDurationMsMax: 24 * HOUR_MS,
  bodyBytesMax: 10 * 1_024 * MIB_BYTES,
  /** One row of a SQLite-backed object holds 2 MB. */
  configurationBytesMax: 1 * MIB_BYTES,
  /** Of objects and lists within each other: four times what a valid document has. A call of an object carries a thousand or two. */
  configurationDepthMax: 32,
  configurationVersionCountMax: 100,
  socketMessageBytesMax: 1 * MIB_BYTES,
  /** Messages of one socket per second, and at once. */
  socketMessageRateMax: 1_000_000,
  socketLifetimeMsMax: 30 * 24 * HOUR_MS,
} as const;

/** Names of tenants, services and classes: they appear in paths, headers and metric labels. */
export const NAME_PATTERN = /^[a-z][a-z0-9-]{0,62}$/;
export const DEVICE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/;

export const URGENCY_FIRST = 0;
export const URGENCY_LAST = 7;
/** RFC 9218 §4.1. */
export const URGENCY_DEFAULT = 3;
