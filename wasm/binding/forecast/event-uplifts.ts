// Events by name: what they are expected to do, and what those of the same name did.
import { EVENT_COUNT_MAX, UPLIFT_LOG_MAX, type Uplift } from "#shared/forecast/minute-demand.ts";

export interface DemandEvent {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Demand in it ÷ demand without it, as the operator expects; above 0. */
  readonly upliftRatio: number;
}

/** What an event's name has shown so far. */
export interface LearnedUplift {
  /** Mean of ln of the uplifts seen. */
  readonly log: number;
  readonly count: number;
  /** An event that had begun by then is told as it was. */
  readonly atMs: number;
}

interface Running {
  readonly name: string;
  readonly endMs: number;
  /** log1p of what was expected without the event. */
  readonly without: number;
  readonly sum: number;
  readonly count: number;
}

export interface EventState {
  readonly learned: Readonly<Record<string, LearnedUplift>>;
  readonly running: Running | null;
}

/** An event is measured in its first hour, against what was expected of that hour before it began. */
const MEASURED_MS = 3_600_000;
/** Fewer values than this say nothing. */
const VALUE_COUNT_MIN = 3;
/** Of so many recurrences the last count; an old one fades. */
const MEMORY_COUNT = 5;
/** Names whose uplift is kept; the first forgotten is the one learned first. */
const NAME_COUNT_MAX = 64;

export class EventUplifts {
  #events: readonly DemandEvent[] = [];
  #learned: Record<string, LearnedUplift> = {};
  #running: Running | null = null;

  set(events: readonly DemandEvent[]): void {
    this.#events = events;
  }

  /** The events that a forecast from `nowMs` on can meet: the next eight. Those that overlap multiply. */
  upliftsAt(nowMs: number): Uplift[] {
    return this.#events
      .filter(({ endMs }) => endMs > nowMs)
      .toSorted((a, b) => a.startMs - b.startMs)
      .slice(0, EVENT_COUNT_MAX)
      .map(({ name, startMs, endMs, upliftRatio }) => ({ startMs, endMs, log: this.#logOf({ name, startMs, upliftRatio }) }));
  }

  // What the operator expects counts as one occurrence.
  #logOf({ name, startMs, upliftRatio }: Pick<DemandEvent, "name" | "startMs" | "upliftRatio">): number {
    const expectedLog = Math.min(UPLIFT_LOG_MAX, Math.max(-UPLIFT_LOG_MAX, Math.log(upliftRatio)));
    const learned = this.learnedOf(name);
    if (learned === null || startMs < learned.atMs) return expectedLog;
    return (expectedLog + learned.count * learned.log) / (1 + learned.count);
  }

  learnedOf(name: string): LearnedUplift | null {
    return Object.hasOwn(this.#learned, name) ? (this.#learned[name] ?? null) : null;
  }

  /**
   * A value at a time; `expectedAfter` says what was expected so long after the last value, the uplift in it. True where an
   * event's uplift was learned.
   */
  observe(value: number, timeMs: number, expectedAfter: (horizonMs: number) => number): boolean {
    let hasLearned = false;
    if (this.#running !== null && timeMs >= this.#running.endMs) {
      hasLearned = this.#learn(this.#running);
      this.#running = null;
    }
    this.#running ??= this.#begin(timeMs, expectedAfter);
    if (this.#running === null) return hasLearned;
    const { sum, count } = this.#running;
    this.#running = { ...this.#running, sum: sum + Math.log1p(Math.max(0, value)), count: count + 1 };
    return hasLearned;
  }

  #begin(timeMs: number, expectedAfter: (horizonMs: number) => number): Running | null {
    const event = this.#events.find(({ startMs, endMs }) => startMs <= timeMs && timeMs < Math.min(endMs, startMs + MEASURED_MS / 4));
    if (event === undefined) return null;
    const endMs = Math.min(event.endMs, event.startMs + MEASURED_MS);
    const without = Math.log1p(expectedAfter((endMs - timeMs) / 2)) - this.#logOf(event);
    return { name: event.name, endMs, without, sum: 0, count: 0 };
  }

  #learn({ name, endMs, without, sum, count }: Running): boolean {
    if (count < VALUE_COUNT_MIN) return false;
    const seen = Math.min(UPLIFT_LOG_MAX, Math.max(-UPLIFT_LOG_MAX, sum / count - without));
    const before = this.learnedOf(name);
    const times = Math.min(MEMORY_COUNT, (before?.count ?? 0) + 1);
    const log = (before?.log ?? 0) + (seen - (before?.log ?? 0)) / times;
    const others = Object.entries(this.#learned).filter(([known]) => known !== name);
    this.#learned = Object.fromEntries([...others.slice(-(NAME_COUNT_MAX - 1)), [name, { log, count: times, atMs: endMs }]]);
    return true;
  }

  get state(): EventState {
    return { learned: this.#learned, running: this.#running };
  }

  set state({ learned, running }: EventState) {
    this.#learned = { ...learned };
    this.#running = running;
  }
}
