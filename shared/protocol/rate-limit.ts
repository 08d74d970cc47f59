// RateLimit and RateLimit-Policy. The draft still moves (a rename of r and t is proposed), so what a version calls its
// parameters is a table, and everything else is said once.
import type { AppliedIdentifier } from "../identifier/entitlement.ts";
import { wholeSeconds } from "../units.ts";
import { isTotal, policyNameOf, type QuotaKind, type QuotaPolicy, type QuotaState } from "./quota-state.ts";

/** Whose quota it is. */
export type Partition = Pick<AppliedIdentifier, "tenant" | "service" | "className">;

export interface RateLimitFields {
  /** RateLimit-Policy; null where nothing can be said. */
  policies(policies: readonly QuotaPolicy[], partition: Partition): string | null;
  /** RateLimit; null where nothing can be said. */
  states(states: readonly QuotaState[], partition: Partition): string | null;
  /** Null where nothing can be said. */
  template(policies: readonly QuotaPolicy[], partition: Partition): RateLimitTemplate | null;
}

/** RateLimit for many answers of one flow: all but the numbers is written once. */
export interface RateLimitTemplate {
  readonly kinds: readonly QuotaKind[];
  /** What is left of each kind, in their order. */
  fill(remaining: readonly number[]): string;
}

export interface ParameterNames {
  readonly quota: string;
  readonly unit: string;
  readonly window: string;
  readonly partition: string;
  readonly remaining: string;
  readonly reset: string;
}

/** draft-ietf-httpapi-ratelimit-headers-10 §3, §4. */
export const DRAFT_10: ParameterNames = { quota: "q", unit: "qu", window: "w", partition: "pk", remaining: "r", reset: "t" };

/** The registered quota units; null is the default, requests. What has no unit is named in problems only. */
const UNITS: Readonly<Partial<Record<QuotaKind, string | null>>> = {
  rate: null,
  slots: "concurrent-requests",
  bandwidth: "content-bytes",
  "total-rate": null,
  "total-slots": "concurrent-requests",
  "total-bandwidth": "content-bytes",
};

export function rateLimitFields(names: ParameterNames): RateLimitFields {
  const item = (kind: QuotaKind, parameters: string, partition: Partition): string =>
    `"${policyNameOf(kind, partition)}"${parameters};${names.partition}=:${partitionKey(kind, partition)}:`;
  return {
    policies(policies, partition) {
      const items = policies.filter(hasUnit).map(({ kind, quota, windowMs }) => {
        const unit = UNITS[kind] ?? null;
        const window = windowMs === undefined ? "" : `;${names.window}=${wholeSeconds(windowMs)}`;
        return item(kind, `;${names.quota}=${quota}${unit === null ? "" : `;${names.unit}="${unit}"`}${window}`, partition);
      });
      return items.length === 0 ? null : items.join(", ");
    },
    states(states, partition) {
      const items = states.filter(hasUnit).map(({ kind, remaining, resetAfterMs }) => {
        const reset = resetAfterMs === undefined ? "" : `;${names.reset}=${wholeSeconds(resetAfterMs)}`;
        return item(kind, `;${names.remaining}=${Math.max(0, remaining)}${reset}`, partition);
      });
      return items.length === 0 ? null : items.join(", ");
    },
    template(policies, partition) {
      const kinds = policies.filter(hasUnit).map(({ kind }) => kind);
      if (kinds.length === 0) return null;
      const heads = kinds.map((kind, index) => `${index === 0 ? "" : ", "}"${policyNameOf(kind, partition)}";${names.remaining}=`);
      const tails = kinds.map((kind) => `;${names.partition}=:${partitionKey(kind, partition)}:`);
      return {
        kinds,
        fill(remaining) {
          let field = "";
          for (let index = 0; index < heads.length; index += 1)
            field += `${heads[index]}${Math.max(0, remaining[index] ?? 0)}${tails[index]}`;
          return field;
        },
      };
    },
  };
}

/** What the gateway sends. */
export const RATE_LIMIT = rateLimitFields(DRAFT_10);

function hasUnit({ kind }: QuotaPolicy): boolean {
  return kind in UNITS;
}

/** A quota is the tenant's at one service: both are in the key, so that two services' answers are not taken for one quota. But where it is one. */
function partitionKey(kind: QuotaKind, { tenant, service }: Partition): string {
  return btoa(isTotal(kind) ? tenant : `${tenant}/${service}`);
}
