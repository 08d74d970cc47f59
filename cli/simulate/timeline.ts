// A run in as many buckets as a plot has columns.
import type { Window } from "./account.ts";
import type { Fleet } from "./fleet.ts";

export interface Timeline {
  readonly name: string;
  /** Per bucket: the most shards billed, and the fewest ready. */
  readonly billed: readonly number[];
  readonly ready: readonly number[];
}

const BUCKET_COUNT_MAX = 800;

function bucketCount({ fromTick, toTick }: Window): number {
  return Math.min(BUCKET_COUNT_MAX, toTick - fromTick);
}

export class TimelineRecorder {
  readonly #window: Window;
  readonly #billed: number[];
  readonly #ready: number[];

  constructor(window: Window) {
    this.#window = window;
    this.#billed = Array.from({ length: bucketCount(window) }, () => 0);
    this.#ready = this.#billed.map(() => Infinity);
  }

  note(tick: number, { count, ready }: Fleet): void {
    const bucket = bucketOf(tick, this.#window);
    if (bucket < 0) return;
    this.#billed[bucket] = Math.max(this.#billed[bucket] ?? 0, count);
    this.#ready[bucket] = Math.min(this.#ready[bucket] ?? Infinity, ready);
  }

  timeline(name: string): Timeline {
    return { name, billed: this.#billed, ready: this.#ready };
  }
}

/** The most wanted in every bucket. */
export function loadTimeline(load: Float32Array, window: Window): number[] {
  const most = Array.from({ length: bucketCount(window) }, () => 0);
  for (let tick = window.fromTick; tick < window.toTick; tick++) {
    const bucket = bucketOf(tick, window);
    most[bucket] = Math.max(most[bucket] ?? 0, load[tick] ?? 0);
  }
  return most;
}

function bucketOf(tick: number, window: Window): number {
  return Math.floor(((tick - window.fromTick) / (window.toTick - window.fromTick)) * bucketCount(window));
}
