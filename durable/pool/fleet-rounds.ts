// When a fleet is looked at: one round at a time, soon where something comes up, and seldom where nothing can have changed. Pure.
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";

/** How long after a round the next one is due: … */
export const REST_MS = {
  /** … something is on its way; … */
  busy: SECOND_MS,
  /** … more is wanted than can be had; … */
  short: 5 * SECOND_MS,
  /** … units are held against the provider's list, while the service is used, … */
  settled: 10 * SECOND_MS,
  /** … and while it sleeps; … */
  asleep: 10 * MINUTE_MS,
  /** … nothing can change by itself. */
  still: Infinity,
} as const;
/** Rounds that a refused connection sets off are at least so far apart. */
const SOON_MS = SECOND_MS / 4;

export class FleetRounds {
  #isRunning = false;
  /** The last one. */
  #beganAtMs = -Infinity;
  /** Something came up since, and is to be looked at then. */
  #askedAtMs = Infinity;
  #dueAtMs = Infinity;

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** When the next one is due; Infinity: none is. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** There is something that any round takes up, also the one that is running. */
  dueBy(atMs: number): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, atMs);
  }

  /** There is something that the running round may have missed. */
  lookAt(atMs: number): void {
    this.#askedAtMs = Math.min(this.#askedAtMs, atMs);
    this.dueBy(atMs);
  }

  /** The same at once, but for a flood of it. */
  lookSoon(nowMs: number): void {
    this.lookAt(Math.max(nowMs, this.#beganAtMs + SOON_MS));
  }

  /** False: none is due. */
  begin(nowMs: number): boolean {
    if (nowMs < this.#dueAtMs) return false;
    this.#isRunning = true;
    this.#beganAtMs = nowMs;
    this.#askedAtMs = Infinity;
    // Should this instance not live to see its end.
    this.#dueAtMs = nowMs + REST_MS.settled;
    return true;
  }

  /** The next one is due after `restMs`, or as was asked meanwhile. */
  end(nowMs: number, restMs: number): void {
    this.#isRunning = false;
    this.#dueAtMs = Math.min(nowMs + restMs, this.#askedAtMs);
  }

  /** It broke off: what was asked meanwhile waits, too. */
  fail(nowMs: number): void {
    this.#isRunning = false;
    this.#dueAtMs = nowMs + REST_MS.settled;
  }
}
