// What is known ahead: the coming events' uplift, and the service's local time.
import { EVENT_COUNT_MAX, type LocalTime, type Uplift } from "#shared/forecast/minute-demand.ts";

export class Calendar {
  #events: readonly Uplift[] = [];
  #localTime: LocalTime = { offsetMs: 0, changeAtMs: Infinity, offsetAfterMs: 0 };

  setEvents(events: readonly Uplift[]): void {
    if (events.length > EVENT_COUNT_MAX) throw new RangeError(`Cannot expect ${events.length} events: expected at most ${EVENT_COUNT_MAX}`);
    this.#events = events;
  }

  setLocalTime(localTime: LocalTime): void {
    this.#localTime = localTime;
  }

  localMs(timeMs: number): number {
    const { offsetMs, changeAtMs, offsetAfterMs } = this.#localTime;
    return timeMs + (timeMs < changeAtMs ? offsetMs : offsetAfterMs);
  }

  /** The uplift at a moment, in logs. */
  upliftAt(timeMs: number): number {
    let sum = 0;
    for (const { startMs, endMs, log } of this.#events) if (startMs <= timeMs && timeMs < endMs) sum += log;
    return sum;
  }

  /** The highest within (fromMs, untilMs], never below both ends'. */
  upliftMostWithin(fromMs: number, untilMs: number): number {
    let most = Math.max(this.upliftAt(fromMs), this.upliftAt(untilMs));
    for (const { startMs } of this.#events) if (fromMs < startMs && startMs <= untilMs) most = Math.max(most, this.upliftAt(startMs));
    return most;
  }
}
