// A trace like a service's real one, from a seed: a day and a week with their seasons, noise, and bursts that decay.
import { DAY_MS, HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import { Random } from "./random.ts";
import type { TracePoint } from "./trace-point.ts";

export interface SyntheticTraceOptions {
  /** Of the first step. */
  readonly startMs: number;
  readonly days: number;
  readonly stepMs: number;
  /** Expected arrivals in one step at the busiest hour of a weekday, bursts apart. */
  readonly peak: number;
  readonly seed: number;
}

interface Burst {
  readonly startMs: number;
  /** Relative to the peak. */
  readonly height: number;
  readonly decayMs: number;
}

/** Sunday first. */
const WEEKDAY_LEVELS = [0.5, 0.95, 1, 1, 1, 0.92, 0.55] as const;
const NIGHT_LEVEL = 0.12;
const BUSIEST_HOUR = 15;
const BURSTS_PER_DAY = 1.2;
const BURST_HEIGHT = { min: 0.3, max: 1.2 };
const BURST_DECAY_MS = { min: 5 * MINUTE_MS, max: 40 * MINUTE_MS };
/** After so many decay times a burst is below one percent, and forgotten. */
const BURST_LIFE_DECAYS = 5;

/** One point per step. Pure: the same options give the same trace. */
export function* syntheticTrace({ startMs, days, stepMs, peak, seed }: SyntheticTraceOptions): Generator<TracePoint> {
  // Two streams, so that the bursts of a seed stay where they are when the step changes.
  const noise = new Random(seed, 0);
  const burstDraws = new Random(seed, 1);
  const endMs = startMs + days * DAY_MS;
  let bursts: Burst[] = [];
  let drawnUntilMs = startMs;
  for (let atMs = startMs; atMs < endMs; atMs += stepMs) {
    for (; drawnUntilMs <= atMs; drawnUntilMs += DAY_MS)
      bursts = [...bursts.filter((burst) => isAlive(burst, atMs)), ...drawBursts(burstDraws, drawnUntilMs)];
    const level = seasonLevel(atMs) + bursts.reduce((sum, burst) => sum + burstLevel(burst, atMs), 0);
    yield { atMs, value: noise.poisson(peak * level) };
  }
}

/** Share of the peak that the time of day and the day of the week make, from 0 to 1, in UTC. */
function seasonLevel(atMs: number): number {
  const hour = timeOfDayMs(atMs) / HOUR_MS;
  const wave = (1 + Math.cos((2 * Math.PI * (hour - BUSIEST_HOUR)) / 24)) / 2;
  return (NIGHT_LEVEL + (1 - NIGHT_LEVEL) * wave ** 1.5) * weekdayLevel(atMs);
}

/** Passes from one day's level to the next over the night, as people do: a jump at midnight would be no season. */
function weekdayLevel(atMs: number): number {
  const blendMs = 3 * HOUR_MS;
  const intoDayMs = timeOfDayMs(atMs);
  const today = levelOfDay(atMs);
  if (intoDayMs >= blendMs) return today;
  const share = intoDayMs / blendMs;
  return levelOfDay(atMs - DAY_MS) * (1 - share) + today * share;
}

/** Also before 1970, where the remainder alone would be negative. */
function timeOfDayMs(atMs: number): number {
  return ((atMs % DAY_MS) + DAY_MS) % DAY_MS;
}

function levelOfDay(atMs: number): number {
  return WEEKDAY_LEVELS[new Date(atMs).getUTCDay()] ?? 1;
}

function drawBursts(random: Random, dayMs: number): Burst[] {
  const between = ({ min, max }: { min: number; max: number }): number => min + random.uniform() * (max - min);
  return Array.from({ length: random.poisson(BURSTS_PER_DAY) }, () => ({
    startMs: dayMs + random.uniform() * DAY_MS,
    height: between(BURST_HEIGHT),
    decayMs: between(BURST_DECAY_MS),
  }));
}

function isAlive({ startMs, decayMs }: Burst, nowMs: number): boolean {
  return nowMs < startMs + BURST_LIFE_DECAYS * decayMs;
}

function burstLevel(burst: Burst, atMs: number): number {
  if (atMs < burst.startMs || !isAlive(burst, atMs)) return 0;
  return burst.height * Math.exp(-(atMs - burst.startMs) / burst.decayMs);
}
