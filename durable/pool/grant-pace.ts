// How soon after one another slots are given to those who wait, so that they end evenly and not in step. Pure.
//
// Where requests take equally long, slots that began together end together for ever: whoever comes between waits for the
// next step, up to a whole service time, however urgent. So where more wait than slots are free, for longer than a request
// takes, the next slot is given no sooner than the slots that circulate end if they end evenly: held time ÷ how many, less
// a twentieth. One that ended in step rests once for its place in the row. Requests that take unequally long spread by
// themselves, and every rest would be lost: the pace fades out as their times vary.
//
// Promise: a slot rests no longer than PAUSE_MS_MAX after the last one was given, and none rests where all who wait have one.

/** Of the time between two ends: at 1 every lateness would be lost for ever. */
const PART = 0.95;
/** From this coefficient of variation on nothing is paced: ends are as good as random after a few rounds. */
const VARIATION_MAX = 0.3;
/** What one held time counts for in their mean. */
const GAIN = 1 / 32;
/** Of the first: it says nothing yet of how they vary. */
const VARIATION_UNKNOWN = 1;
/** Of slow requests on few slots. */
const PAUSE_MS_MAX = 100;

interface Standing {
  readonly waiting: number;
  readonly slotsFree: number;
  /** Given to requests that waited, and out. */
  readonly slotsQueued: number;
}

export class GrantPace {
  #heldMs = 0;
  #variance = 0;
  #contendedSinceMs: number | null = null;
  #spacingMs = 0;
  #nextAtMs = -Infinity;

  /** A request that had waited ended, so long after it got its slot. */
  ended(heldMs: number): void {
    if (this.#heldMs === 0) {
      this.#heldMs = heldMs;
      this.#variance = (VARIATION_UNKNOWN * heldMs) ** 2;
      return;
    }
    const off = heldMs - this.#heldMs;
    this.#heldMs += GAIN * off;
    this.#variance = (1 - GAIN) * (this.#variance + GAIN * off * off);
  }

  /** Before slots are given. */
  tick(nowMs: number, { waiting, slotsFree, slotsQueued }: Standing): void {
    if (waiting <= slotsFree) this.#contendedSinceMs = null;
    else this.#contendedSinceMs ??= nowMs;
    const isLasting = this.#contendedSinceMs !== null && nowMs - this.#contendedSinceMs >= this.#heldMs;
    const variation = this.#heldMs === 0 ? VARIATION_MAX : Math.sqrt(this.#variance) / this.#heldMs;
    const part = isLasting ? PART * Math.max(0, 1 - variation / VARIATION_MAX) : 0;
    this.#spacingMs = Math.min(PAUSE_MS_MAX, (part * this.#heldMs) / Math.max(1, slotsQueued + slotsFree));
    // As `granted` leaves it; less where the pace has quickened since.
    this.#nextAtMs = Math.min(this.#nextAtMs, nowMs + 2 * this.#spacingMs);
  }

  /** In how long the next one may be given, in whole milliseconds; 0: now. */
  pauseMs(nowMs: number): number {
    return Math.max(0, Math.ceil(this.#nextAtMs - this.#spacingMs - nowMs));
  }

  /** One that is late lets the next follow at once, so that the row stays as it is. */
  granted(nowMs: number): void {
    this.#nextAtMs = Math.max(this.#nextAtMs, nowMs) + this.#spacingMs;
  }
}
