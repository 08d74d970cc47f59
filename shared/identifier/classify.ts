// From what a token allows and a request asks to what is applied. Pure; the rules are docs/protocol.md's.
import { classRankOf, type Configuration } from "../config/schema.ts";
import { refuse, type Refusal } from "../errors/refusal.ts";
import { URGENCY_DEFAULT } from "../limits.ts";
import type { AskedIdentifier, AskedPriority } from "./connection-identifier.ts";
import type { AppliedIdentifier, Entitlement } from "./entitlement.ts";

export interface ClassifyInput {
  readonly entitlement: Entitlement;
  /** The service that the path names. */
  readonly service: string;
  readonly asked: AskedIdentifier;
  readonly priority: AskedPriority;
  readonly configuration: Configuration;
}

/** Applies the request's wishes within the token: a lower class is its right, an urgency is clamped, what is foreign is refused. */
export function classify({
  entitlement,
  service,
  asked,
  priority,
  configuration,
}: ClassifyInput): { ok: true; identifier: AppliedIdentifier } | Refusal {
  if (asked.service !== undefined && asked.service !== service) {
    return refuse("bad-identifier", `The path names service ${service}, but Connection-Identifier another one; expected the same.`);
  }
  if (asked.tenant !== undefined && asked.tenant !== entitlement.tenant)
    return forbidden("tenant in Connection-Identifier is not the token's");
  if (asked.device !== undefined && asked.device !== entitlement.device)
    return forbidden("device in Connection-Identifier is not the token's");
  if (entitlement.role !== "device") return forbidden("token is a service's credential, expected a device's");
  if (!Object.hasOwn(configuration.services, service)) return refuse("unknown-service", `There is no service ${service} here.`);
  if (!entitlement.services.includes(service)) return forbidden(`token does not name service ${service}`);

  const className = asked.className ?? entitlement.classHighest;
  const rank = classRankOf(configuration, className);
  const rankHighest = classRankOf(configuration, entitlement.classHighest);
  if (rankHighest === undefined) return forbidden(`token's class ${entitlement.classHighest} is not configured`);
  if (rank === undefined) return forbidden("class in Connection-Identifier is not configured");
  if (rank < rankHighest) return forbidden(`class ${className} is above the token's ${entitlement.classHighest}`);
  if (!isEntitled(configuration, { tenant: entitlement.tenant, service, className }))
    return forbidden(`tenant has no ${className} at service ${service}`);

  // 0 is the most urgent, so the clamp is a maximum.
  const wanted = priority.urgency ?? asked.urgency ?? URGENCY_DEFAULT;
  const urgency = Math.max(wanted, entitlement.urgencyFirst, configuration.classes[className]?.urgencyMin ?? URGENCY_DEFAULT);
  return {
    ok: true,
    identifier: {
      tenant: entitlement.tenant,
      device: entitlement.device,
      service,
      className,
      urgency,
      incremental: priority.incremental ?? false,
    },
  };
}

function isEntitled(
  { tenants }: Configuration,
  { tenant, service, className }: { tenant: string; service: string; className: string },
): boolean {
  const services = Object.hasOwn(tenants, tenant) ? tenants[tenant]?.services : undefined;
  const quotas = services !== undefined && Object.hasOwn(services, service) ? services[service] : undefined;
  return quotas !== undefined && Object.hasOwn(quotas, className);
}

function forbidden(what: string): Refusal {
  return refuse("forbidden", `The ${what}.`);
}
