// Admission as the routes see it: a verdict. Cheapest first: a slot that this isolate holds; a refusal that the pool has told it; a
// call to the pool, which grants one or lets the request wait there.
import { quotaOf } from "#shared/config/quota-policies.ts";
import type { Refusal } from "#shared/errors/refusal.ts";
import { flowOf, type AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import type { QuotaConfig, ServiceConfig } from "#shared/config/schema.ts";
import type { ActiveConfiguration } from "../configuration-cache.ts";
import type { RequestScope } from "../request-scope.ts";
import { Admitted } from "./admitted.ts";
import { affinityKeyOf } from "./affinity-key.ts";
import { slotOfPool } from "./ask-pool.ts";
import { regionOf } from "./placement.ts";
import { renew, renewIfDue } from "./renewal.ts";
import type { ServiceLease } from "./service-lease.ts";

export interface AdmissionInput {
  readonly scope: RequestScope;
  readonly identifier: AppliedIdentifier;
  readonly active: ActiveConfiguration;
  readonly service: ServiceConfig;
}

/** A slot at once where this isolate has one: then there is nothing to wait for. */
export function admit(input: AdmissionInput): Admitted | Refusal | Promise<Admitted | Refusal> {
  const { scope, identifier, service } = input;
  const quota = quotaOf(input.active.snapshot.configuration, identifier);
  const region = service.regions === undefined ? null : regionOf({ ...scope, service, quota });
  const lease = scope.isolate.leaseOf(identifier.service, region, service.regions?.[0]);
  lease.use(service);
  lease.retries.earn(service.retry.budgetRatio);
  const flow = flowOf(identifier);
  const key = affinityKeyOf(input);
  // Fresh: the lease takes a time before one that it has seen for a clock that was set back.
  const nowMs = scope.hasWaited ? Date.now() : scope.startedAtMs;
  const asked: Asked = { lease, flow, key, quota };
  if (!lease.holdsSlots(nowMs) && !lease.pace.isRenewing(nowMs)) return admitAfterRenewal(input, asked);
  const admitted = admitHere(input, asked, nowMs);
  renewIfDue(scope, lease, nowMs);
  return admitted ?? askPool(input, asked);
}

export interface Asked {
  readonly lease: ServiceLease;
  readonly flow: string;
  readonly key: string;
  readonly quota: QuotaConfig | undefined;
}

/** Null: not here. */
function admitHere(input: AdmissionInput, asked: Asked, nowMs: number): Admitted | Refusal | null {
  const { lease, flow, key, quota } = asked;
  const slot = lease.admit({ flow, urgency: input.identifier.urgency, key, quota, nowMs });
  if (slot === null || "ok" in slot) return slot;
  return new Admitted(input, asked, { slot, nowMs });
}

/** The first request of an isolate, or the first for a while. */
async function admitAfterRenewal(input: AdmissionInput, asked: Asked): Promise<Admitted | Refusal> {
  const { scope } = input;
  asked.lease.expect(asked.flow, asked.quota);
  const hasLease = await renew(scope, asked.lease, scope.isolate.configurationVersion);
  const admitted = hasLease ? admitHere(input, asked, Date.now()) : null;
  return admitted ?? askPool(input, asked);
}

async function askPool(input: AdmissionInput, asked: Asked): Promise<Admitted | Refusal> {
  const slot = await slotOfPool(input, asked, { slotId: input.scope.requestId });
  return "lane" in slot ? new Admitted(input, asked, { slot, nowMs: Date.now() }) : slot;
}
