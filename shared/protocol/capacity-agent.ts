// What a capacity agent is asked over HTTP, and what it answers: docs/capacity-agent.md. Both sides read it by these
// schemas; whoever asks believes nothing else.
import * as z from "zod";
import { checkEndpointUrl, isLoopback } from "../config/endpoint-url.ts";
import { explainIssue } from "../config/explain-issue.ts";
import { LIMITS, NAME_PATTERN } from "../limits.ts";
import { KIB_BYTES } from "../units.ts";
import type { CapacityOffer, CapacityOrder, CapacityRefusalReason, CapacityUnit } from "./capacity-provider.ts";

export const AGENT_LIMITS = {
  /** Of a request. */
  bodyBytesMax: 4 * KIB_BYTES,
  /** Of an answer: every unit that there may be. */
  answerBytesMax: 1_024 * KIB_BYTES,
  offerCountMax: 64,
  unitCountMax: LIMITS.shardCountMax,
  textLengthMax: 500,
  pricePerHourMax: 1_000_000,
} as const;

export const UNIT_ID_PATTERN = /^[a-z0-9][a-z0-9-]{0,99}$/;
/** 32 random bytes in base64url, or better. */
export const AGENT_KEY_PATTERN = /^[A-Za-z0-9_-]{43,200}$/;

/** Each refusal's status; `type` is /problems/{reason}, as with the gateway's own. */
export const AGENT_PROBLEMS = {
  "unknown-offer": 404,
  "out-of-capacity": 503,
  "too-dear": 409,
  conflict: 409,
  unauthorized: 401,
  unavailable: 503,
} as const satisfies Readonly<Record<CapacityRefusalReason, number>>;

export type Read<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly fault: string };

const unitId = z.string().regex(UNIT_ID_PATTERN, "a name of a-z, 0-9 and -, at most 100 long");
const offerId = z.string().min(1).max(100);
const service = z.string().regex(NAME_PATTERN, "a service's name");
const region = z.string().max(63).nullable();
const slots = z.int().min(1).max(LIMITS.capacityMax);
const price = z.number().min(0).max(AGENT_LIMITS.pricePerHourMax);
const text = z.string().max(AGENT_LIMITS.textLengthMax);

const orderSchema = z.strictObject({ offerId, service, slots, pricePerHourMax: z.number().min(0) });

const offerSchema = z.object({
  offerId,
  region,
  slotsMax: slots,
  pricePerHour: price,
  availableCount: z.int().min(0).nullable(),
}) satisfies z.ZodType<CapacityOffer>;

const unitSchema = z
  .object({
    unitId,
    offerId,
    service,
    state: z.enum(["reserved", "starting", "ready", "draining", "stopped", "failed"]),
    url: z.string().max(2_048).nullable(),
    slots,
    pricePerHour: price,
    failure: text.nullable(),
  })
  .refine(({ state, url }) => state !== "ready" || url !== null, {
    path: ["url"],
    error: "where it answers, as it is ready",
  }) satisfies z.ZodType<CapacityUnit>;

const offersSchema = z.object({ offers: z.array(offerSchema).max(AGENT_LIMITS.offerCountMax) });
const unitsSchema = z
  .object({ units: z.array(unitSchema).max(AGENT_LIMITS.unitCountMax) })
  .refine(({ units }) => new Set(units.map((unit) => unit.unitId)).size === units.length, { path: ["units"], error: "each unit once" });
const problemSchema = z.object({
  type: z
    .string()
    .transform((type) => type.replace(/^.*\//, ""))
    .pipe(z.enum(Object.keys(AGENT_PROBLEMS) as CapacityRefusalReason[])),
  detail: text,
});

export function readOrder(id: string, json: unknown): Read<CapacityOrder> {
  const read = readBy(orderSchema, json);
  return read.ok ? { ok: true, value: { unitId: id, ...read.value } } : read;
}

export function readOffers(json: unknown): Read<readonly CapacityOffer[]> {
  const read = readBy(offersSchema, json);
  return read.ok ? { ok: true, value: read.value.offers } : read;
}

export function readUnit(json: unknown): Read<CapacityUnit> {
  return readBy(unitSchema, json);
}

export function readUnits(json: unknown): Read<readonly CapacityUnit[]> {
  const read = readBy(unitsSchema, json);
  return read.ok ? { ok: true, value: read.value.units } : read;
}

/** A refusal in the agent's words; null: it is none of ours. */
export function readRefusal(json: unknown): { readonly reason: CapacityRefusalReason; readonly detail: string } | null {
  const { data } = problemSchema.safeParse(json);
  return data === undefined ? null : { reason: data.type, detail: data.detail };
}

/**
 * Says what is wrong with the address that an agent names for a unit, or null: devices' requests will go there, so an agent names
 * its own host, or one that the operator allows.
 */
export function checkUnitUrl(
  unitUrl: string,
  {
    agentUrl,
    unitHosts,
    allowInsecure,
  }: { readonly agentUrl: string; readonly unitHosts: readonly string[]; readonly allowInsecure: boolean },
): string | null {
  const fault = checkEndpointUrl(unitUrl, allowInsecure);
  if (fault !== null) return fault;
  const [unit, agent] = [new URL(unitUrl), new URL(agentUrl)];
  const isOwn = unit.hostname === agent.hostname || (isLoopback(unit.hostname) && isLoopback(agent.hostname));
  if (isOwn ? unit.port !== agent.port || unit.protocol !== agent.protocol : unitHosts.includes(unit.hostname)) return null;
  return isOwn ? "another port than the agent's" : `a URL on ${[agent.hostname, ...unitHosts].join(" or ")}`;
}

function readBy<Value>(schema: z.ZodType<Value>, json: unknown): Read<Value> {
  const { data, error } = schema.safeParse(json);
  if (error === undefined) return { ok: true, value: data };
  const [issue] = error.issues;
  const [first] = issue === undefined ? [] : explainIssue({ schema, document: json, issue });
  const path = (first?.path ?? []).map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
  return {
    ok: false,
    fault: `${path.replace(/^\./, "") || "it"} ${first?.message ?? "is something else"}`.slice(0, AGENT_LIMITS.textLengthMax),
  };
}
