// What a service's demand follows, and how many shards it may have for it: the shape in the configuration.
import * as z from "zod";
import { LIMITS } from "../limits.ts";
import { DAY_MS, MINUTE_MS, SECOND_MS } from "../units.ts";

const time = z.iso.datetime({ offset: true, error: "a time with its offset such as 2026-11-27T00:00:00Z" });

export const forecastSchema = z
  .strictObject({
    seasonsMs: z
      .array(
        z
          .int()
          .min(MINUTE_MS)
          .max(366 * DAY_MS),
      )
      .max(4)
      .default([DAY_MS, 7 * DAY_MS])
      .describe("What repeats: at most two are followed, of whole hours, up to a day and up to a week."),
    timeZone: z
      .string()
      .max(64)
      .refine(isTimeZone, "a time zone such as Europe/Berlin")
      .default("UTC")
      .describe("Whose clock the days follow."),
    events: z
      .array(
        z
          .strictObject({
            name: z.string().max(63).describe("Events of one name are learned from together."),
            start: time.describe("With its offset, such as 2026-11-27T00:00:00Z."),
            end: time.describe("After the start."),
            uplift: z.number().positive().max(1_000).default(1).describe("Times the demand that there would be without it."),
          })
          .refine(({ start, end }) => Date.parse(start) < Date.parse(end), {
            path: ["end"],
            error: "a time after start",
            when: ({ value }) => areTimes(value),
          }),
      )
      .max(1_000)
      .default([])
      .describe("What is known to come."),
  })
  .prefault({})
  .describe("What the service's demand follows.");

export const provisioningSchema = z
  .strictObject({
    mode: z.enum(["shadow", "act"]).default("shadow").describe("act: shards follow the plan. shadow: the plan is only shown."),
    shortfallRatio: z
      .number()
      .min(0)
      .max(1)
      .default(0.001)
      .describe("Accepted shortfall: what is not served, of what is wanted. The rest follows from it."),
    warmCount: z.int().min(0).max(LIMITS.shardCountMax).default(1).describe("Shards started ahead of need."),
    stepMax: z.int().min(1).max(LIMITS.shardCountMax).default(8).describe("Shards started or drained at a time."),
    costPerHourMax: z.number().min(0).default(5).describe("Nothing more is ordered beyond it."),
    drainPrice: z.number().min(0).default(0).describe("What draining one shard costs, in hours of one shard."),
    startMsPrior: z
      .int()
      .min(0)
      .max(DAY_MS)
      .default(30 * SECOND_MS)
      .describe("How long a shard takes to start, until starts have been seen."),
  })
  .prefault({})
  .describe("How many shards there are, and what they may cost.");

function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function areTimes(value: unknown): boolean {
  const { start, end } = (value ?? {}) as { start?: unknown; end?: unknown };
  return [start, end].every((at) => typeof at === "string" && !Number.isNaN(Date.parse(at)));
}
