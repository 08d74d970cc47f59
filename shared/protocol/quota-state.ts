// What limits a flow, and what is left of it: said in headers, problems and accounts alike.
import type { AppliedIdentifier } from "../identifier/entitlement.ts";

/**
 * `capacity` is the service's own; `total-…` are the tenant's over all services; the others are the tenant's at that service, per class.
 * Accounts have the place in the list: what is new comes last.
 */
export const QUOTA_KINDS = [
  "rate",
  "slots",
  "bandwidth",
  "cpu",
  "memory",
  "queue",
  "wait",
  "capacity",
  "sockets",
  "total-slots",
  "total-bandwidth",
  "total-cpu",
  "total-rate",
] as const;
export type QuotaKind = (typeof QUOTA_KINDS)[number];

/** A limit as configured. Requests, slots, bytes, cost units, or milliseconds: as its kind has it. */
export interface QuotaPolicy {
  readonly kind: QuotaKind;
  readonly quota: number;
  /** The quota is for so much time. */
  readonly windowMs?: number;
}

/** A limit and how much of it is left. */
export interface QuotaState extends QuotaPolicy {
  readonly remaining: number;
  /** When there will be more. */
  readonly resetAfterMs?: number;
}

/** As many of a flow wait as may: by the length of its queue, or by the memory that they keep. */
export function queueState(lengthMax: number, memoryBytesMax: number | undefined): QuotaState {
  return memoryBytesMax === undefined
    ? { kind: "queue", quota: lengthMax, remaining: 0 }
    : { kind: "memory", quota: memoryBytesMax, remaining: 0 };
}

export function queueDetail(length: number, memoryBytesMax: number | undefined): string {
  if (memoryBytesMax === undefined) return `The queue of your tenant and class is full: ${length} wait.`;
  return `The memory of your tenant and class is full: ${length} wait, and with its sockets may keep ${memoryBytesMax} bytes.`;
}

/** Over all services and classes of a tenant. */
export function isTotal(kind: QuotaKind): boolean {
  return kind.startsWith("total-");
}

/** Names the policy in RateLimit and in `violated-policies`. */
export function policyNameOf(kind: QuotaKind, { service, className }: Pick<AppliedIdentifier, "service" | "className">): string {
  if (isTotal(kind)) return kind;
  return kind === "capacity" ? `${service}-capacity` : `${className}-${kind}`;
}
