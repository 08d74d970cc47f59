import type { Configuration } from "../config/schema.ts";
import type { ConfigurationDocument } from "../config/read-documents.ts";
import type { ConfigurationFault } from "../config/faults.ts";
import type { SharesPool } from "../forecast/pooled-shares.ts";
import type { ConfigurationWarning } from "../config/warnings.ts";

/** One immutable version of the configuration. 0: nothing was ever applied. */
export interface Snapshot {
  readonly version: number;
  readonly appliedAtMs: number;
  /** SHA-256 over the configuration, hexadecimal. */
  readonly digest: string;
  readonly configuration: Configuration;
}

export type ApplyAnswer =
  | { readonly ok: true; readonly version: number; readonly changed: boolean; readonly warnings: readonly ConfigurationWarning[] }
  | { readonly ok: false; readonly errors: readonly ConfigurationFault[] };

/** What a service's forecaster tells the gateway's others once a day of data, in exchange for what they have told. */
export interface SharesMessage {
  readonly service: string;
  /** Which model the weights are of: those of another mean something else. */
  readonly model: string;
  /** Null: it has nothing to tell yet. */
  readonly weights: readonly number[] | null;
}

export interface RegistryRpc {
  /** The other services' sum; what is no distribution, or of a service that is not configured, is not kept. */
  exchangeShares(message: SharesMessage): Promise<SharesPool> | SharesPool;
  /** The current version, or null where the caller has it already. */
  snapshot(versionKnown: number): Promise<Snapshot | null> | Snapshot | null;
  /** Validates whole; then the next version, or every fault and no change. */
  apply(documents: readonly ConfigurationDocument[]): Promise<ApplyAnswer> | ApplyAnswer;
}

/** There is one Registry per gateway. */
export const REGISTRY_NAME = "registry";
