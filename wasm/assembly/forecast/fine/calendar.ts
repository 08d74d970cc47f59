// What is known ahead: the coming events' uplift, in logs, and local time.
import { CHANGE_AT_MS, EVENT_COUNT, EVENT_COUNT_MAX, EVENTS, OFFSET_AFTER_MS, OFFSET_MS } from "./state";

const EVENT_BYTES: usize = 24;

/** Takes `count` events, [start, end, log uplift] f64 each, from `from`. */
export function fineSetEvents(state: usize, from: usize, count: u32): void {
  assert(count <= EVENT_COUNT_MAX);
  store<u32>(state, count, EVENT_COUNT);
  memory.copy(state + EVENTS, from, <usize>count * EVENT_BYTES);
}

/** Local minus universal time, and what it will be from a moment on. */
export function fineSetLocalTime(state: usize, offsetMs: f64, changeAtMs: f64, offsetAfterMs: f64): void {
  store<f64>(state, offsetMs, OFFSET_MS);
  store<f64>(state, changeAtMs, CHANGE_AT_MS);
  store<f64>(state, offsetAfterMs, OFFSET_AFTER_MS);
}

export function localTime(state: usize, timeMs: f64): f64 {
  return timeMs + (timeMs < load<f64>(state, CHANGE_AT_MS) ? load<f64>(state, OFFSET_MS) : load<f64>(state, OFFSET_AFTER_MS));
}

function eventsEnd(state: usize): usize {
  return state + EVENTS + <usize>min(EVENT_COUNT_MAX, load<u32>(state, EVENT_COUNT)) * EVENT_BYTES;
}

export function upliftAt(state: usize, timeMs: f64): f64 {
  let sum: f64 = 0;
  const end = eventsEnd(state);
  for (let event = state + EVENTS; event < end; event += EVENT_BYTES)
    if (load<f64>(event) <= timeMs && timeMs < load<f64>(event, 8)) sum += load<f64>(event, 16);
  return sum;
}

/** The highest within (from, until], never below both ends'. */
export function upliftMostWithin(state: usize, fromMs: f64, untilMs: f64): f64 {
  let most = max(upliftAt(state, fromMs), upliftAt(state, untilMs));
  const end = eventsEnd(state);
  for (let event = state + EVENTS; event < end; event += EVENT_BYTES) {
    const startMs = load<f64>(event);
    if (fromMs < startMs && startMs <= untilMs) most = max(most, upliftAt(state, startMs));
  }
  return most;
}
