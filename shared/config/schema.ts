// The shape of the operator's YAML: one schema per kind of file, the source of the types, of the published
// JSON Schemas (config/schema/) and of every message about a mistake. Keys carry their units.
import * as z from "zod";
import { LENT_BURST_MIN } from "../lease/token-meter.ts";
import { LIMITS, NAME_PATTERN, URGENCY_FIRST, URGENCY_LAST } from "../limits.ts";
import { MIB_BYTES, MINUTE_MS, SECOND_MS } from "../units.ts";
import { forecastSchema, provisioningSchema } from "./demand-schema.ts";
import { checkEndpointUrl } from "./endpoint-url.ts";
import { publicKeySchema } from "./public-key.ts";
import { REGIONS } from "./regions.ts";
import { socketsSchema } from "./socket-limits.ts";

const name = z.string().regex(NAME_PATTERN, "a name of a-z, 0-9 and -, starting with a letter, at most 63 long");
const ratio = z.number().min(0).max(1);
const urgency = z.int().min(URGENCY_FIRST).max(URGENCY_LAST);
const weight = z.int().min(1).max(1_000);

const HOST_PATTERN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

const region = z.enum(REGIONS);

const classShape = z.strictObject({
  weight: weight.describe("Share under contention, against the other classes."),
  reserve: ratio.default(0).describe("Part of the slots kept for this class; lent out while it does not want them."),
  urgencyMin: urgency.default(URGENCY_FIRST).describe("Most urgent value that the class may claim: 0 first, 7 last."),
});

/** config/classes.yaml: highest class first. */
export const classesFileSchema = z.strictObject({
  classes: z.record(name, classShape).describe("The operator's classes, highest first."),
});

const endpointSchema = z
  .strictObject({
    url: z
      .string()
      .max(2_048)
      .describe(
        "https://…, or http:// to this machine. static: what the device asks for is appended to its path. process: the agent's base URL.",
      ),
    capacity: z
      .int()
      .min(1)
      .max(LIMITS.capacityMax)
      .describe("Requests and sockets in flight that the endpoint, or all units of the agent together, can take."),
    region: region.optional().describe("Where it is; nothing follows from it yet."),
    provider: z
      .enum(["static", "process"])
      .default("static")
      .describe("static: it is there. process: an agent at url starts and stops units as the plan says (docs/capacity-agent.md)."),
    pricePerHour: z
      .number()
      .min(0)
      .default(0)
      .describe("Of all its capacity. A unit of an agent's may cost its part of it: 50 slots of 200 a quarter."),
    unitHosts: z
      .array(z.string().regex(HOST_PATTERN, "a host's name such as u1.example.com"))
      .max(LIMITS.unitHostCountMax)
      .optional()
      .describe("process: hosts beside the agent's own that its units may be on."),
    allowInsecure: z.boolean().default(false).describe("Permits http:// and IP addresses beyond this machine."),
  })
  .refine(({ url, allowInsecure }) => checkEndpointUrl(url, allowInsecure) === null, {
    path: ["url"],
    error: ({ input }) => faultOfEndpoint(input) ?? "",
    // Though another key is wrong: every fault is told at once.
    when: ({ value }) => typeof (value as { url?: unknown } | null)?.url === "string",
  })
  .refine(({ provider, unitHosts }) => provider === "process" || unitHosts === undefined, {
    path: ["unitHosts"],
    error: "provider: process beside it, or no such key",
    when: ({ value }) => typeof value === "object" && value !== null,
  });

function faultOfEndpoint(input: unknown): string | null {
  const { url, allowInsecure } = input as { url: string; allowInsecure?: unknown };
  return checkEndpointUrl(url, allowInsecure === true);
}

const shardsSchema = z
  .strictObject({
    sizeMin: z.int().min(1).max(LIMITS.shardSizeMax).default(10).describe("Slots of a shard, at least."),
    sizeMax: z.int().min(1).max(LIMITS.shardSizeMax).default(50).describe("Slots of a shard, at most."),
    countMin: z.int().min(0).max(LIMITS.shardCountMax).default(1).describe("Shards that are always there; 0: the service may sleep."),
    countMax: z.int().min(1).max(LIMITS.shardCountMax).default(40).describe("Shards at most."),
  })
  .refine(({ sizeMin, sizeMax }) => sizeMin <= sizeMax, {
    path: ["sizeMin"],
    error: ({ input }) => `at most sizeMax (${(input as { sizeMax: number }).sizeMax})`,
    when: ({ value }) => areNumbers(value, ["sizeMin", "sizeMax"]),
  })
  .refine(({ countMin, countMax }) => countMin <= countMax, {
    path: ["countMin"],
    error: ({ input }) => `at most countMax (${(input as { countMax: number }).countMax})`,
    when: ({ value }) => areNumbers(value, ["countMin", "countMax"]),
  });

function areNumbers(value: unknown, keys: readonly string[]): boolean {
  return typeof value === "object" && value !== null && keys.every((key) => typeof (value as Record<string, unknown>)[key] === "number");
}

export const serviceFileSchema = z.strictObject({
  service: name.describe("The service's name: /s/{service}/… forwards to it."),
  endpoints: z.array(endpointSchema).max(LIMITS.endpointCountMax).describe("Where the service really is."),
  classes: z
    .record(
      name,
      z.strictObject({
        weight: weight.optional().describe("In the place of the class's own."),
        reserve: ratio.optional().describe("In the place of the class's own."),
      }),
    )
    .default({})
    .describe("Overrides of weight and reserve for this service."),
  regions: z
    .array(region)
    .min(1)
    .max(REGIONS.length)
    .refine((regions) => new Set(regions).size === regions.length, "each region once")
    .optional()
    .describe("Where the service has a pool: the first is its home, which lends slots to the others. Left out: one pool, for everybody."),
  shards: shardsSchema.prefault({}).describe("Slices of the endpoints' slots."),
  balance: z
    .enum(["rendezvous", "roundRobin", "leastConnections", "twoChoices"])
    .default("rendezvous")
    .describe("Which shard a request meets; rendezvous keeps a key on its shard."),
  affinity: z
    .string()
    .regex(/^(device|session|none|header:[A-Za-z0-9-]{1,64})$/, "device, session, none or header:<name>")
    .default("device")
    .describe("What keeps meeting the same shard, with rendezvous: device, session, header:<name> or none."),
  deadlineMs: z
    .int()
    .min(1)
    .max(LIMITS.deadlineMsMax)
    .default(10 * SECOND_MS)
    .describe("From a request's arrival to its endpoint's response headers."),
  requestDurationMsMax: z
    .int()
    .min(1)
    .max(LIMITS.requestDurationMsMax)
    .default(5 * MINUTE_MS)
    .describe("From a request's arrival to its last body byte."),
  bodyBytesMax: z
    .int()
    .min(0)
    .max(LIMITS.bodyBytesMax)
    .default(100 * MIB_BYTES)
    .describe("Of a request's body."),
  costWeight: z
    .number()
    .min(0)
    .max(1_000)
    .default(1)
    .describe("What a second of a request at the endpoint costs its tenant's cpuSecondsPerSecond."),
  concurrency: z
    .strictObject({
      mode: z
        .enum(["fixed", "adaptive"])
        .default("fixed")
        .describe(
          "adaptive: below its capacity an endpoint is given as many requests at once as its latency, and the load it reports, say.",
        ),
      capacityRatioMin: z.number().min(0.01).max(1).default(0.1).describe("Of an endpoint's capacity, what adapting never goes below."),
    })
    .prefault({})
    .describe("Whether endpoints are given all of their capacity, or what they seem to bear."),
  retry: z
    .strictObject({
      budgetRatio: ratio.default(0.2).describe("Retries, of the requests, in each isolate."),
      attemptsMax: z.int().min(1).max(10).default(2).describe("Of one request, the first included."),
    })
    .prefault({})
    .describe("Of idempotent requests without a body whose endpoint broke off before it answered."),
  sockets: socketsSchema.prefault({}).describe("How sockets reach the endpoint, and what each may do."),
  forecast: forecastSchema,
  provisioning: provisioningSchema,
});

const slots = z.int().min(0).max(LIMITS.capacityMax);
const tokens = z.int().min(0).max(LIMITS.rateMax);
const mode = z.enum(["enforce", "shadow"]).default("enforce").describe("shadow: what would have been refused is counted, and served.");

const bandwidth = z.int().min(1_024).max(LIMITS.bandwidthBytesPerSecondMax);
const cpuSeconds = z.number().min(0).max(LIMITS.capacityMax);

const quotaSchema = z.strictObject({
  weight: weight.default(1).describe("Share of the tenant's own limits, against its other services and classes."),
  slots: slots.optional().describe("Requests and sockets in flight."),
  ratePerSecond: tokens.optional().describe("Requests per second, in the mean."),
  burst: tokens.optional().describe("Requests at once after a pause; else a second's worth."),
  bandwidthBytesPerSecond: bandwidth.optional().describe("Bytes of bodies and messages per second, both directions together; paced."),
  cpuSecondsPerSecond: cpuSeconds
    .optional()
    .describe("Seconds that requests take at the endpoints, times the service's costWeight, per second."),
  memoryBytesMax: z
    .int()
    .min(0)
    .max(LIMITS.bodyBytesMax)
    .optional()
    .describe(
      "Bytes that wait in the gateway: queued requests, paced bodies, and messages of sockets, each of which has its part when it opens.",
    ),
  queueLengthMax: z.int().min(0).max(100_000).optional().describe("Requests that wait for a slot."),
  waitMsMax: z.int().min(0).max(LIMITS.deadlineMsMax).optional().describe("The longest wait for a slot."),
  mode,
});

const totalSchema = z.strictObject({
  slots: slots.optional().describe("Requests and sockets in flight."),
  ratePerSecond: z.int().min(1).max(LIMITS.rateMax).optional().describe("Requests per second, in the mean."),
  burst: z
    .int()
    .min(LENT_BURST_MIN)
    .max(LIMITS.rateMax)
    .optional()
    .describe("Requests at once after a pause; else two seconds' worth. Of less than 32 nothing could be lent to the services."),
  bandwidthBytesPerSecond: bandwidth.optional().describe("Bytes of bodies and messages per second, both directions together; paced."),
  cpuSecondsPerSecond: cpuSeconds
    .optional()
    .describe("Seconds that requests take at the endpoints, times each service's costWeight, per second."),
  mode,
});

export const tenantFileSchema = z.strictObject({
  tenant: name.describe("The tenant's name: the iss of its tokens."),
  weight: weight.default(1).describe("Share inside a class, against the other tenants."),
  keys: z
    .union([
      z.strictObject({ state: z.literal(true).describe("Generated into the state folder, with the private ones.") }),
      z.strictObject({
        jwks: z.array(publicKeySchema).min(1).max(LIMITS.keysPerTenantMax).describe("Public keys, EdDSA or ES256, each with its kid."),
      }),
    ])
    .describe("{ state: true }: generated into the state folder at the first start; or { jwks: [public keys] }."),
  total: totalSchema
    .optional()
    .describe("Limits over all services and classes together, divided by the classes' weight and reserve and each quota's weight."),
  services: z.record(name, z.record(name, quotaSchema)).describe("service → class → quota; what is not listed is forbidden."),
});

export type ClassesFile = z.infer<typeof classesFileSchema>;
export type ServiceConfig = z.infer<typeof serviceFileSchema>;
export type TenantConfig = z.infer<typeof tenantFileSchema>;
export type ClassConfig = ClassesFile["classes"][string];
export type TotalConfig = z.infer<typeof totalSchema>;
export type QuotaConfig = z.infer<typeof quotaSchema>;
export type PublicKey = z.infer<typeof publicKeySchema>;

/** Everything that is applied together; a version of it is immutable. */
export interface Configuration {
  /** Highest class first. */
  readonly classes: Readonly<Record<string, ClassConfig>>;
  readonly services: Readonly<Record<string, ServiceConfig>>;
  readonly tenants: Readonly<Record<string, TenantConfig>>;
}

/** 0 is the highest class; undefined: not configured. */
export function classRankOf(configuration: Configuration, className: string): number | undefined {
  const rank = Object.keys(configuration.classes).indexOf(className);
  return rank === -1 ? undefined : rank;
}
