const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 60;

/**
 * How long, in ms, a call to an object waits after one that did not arrive: never in the turn in which it failed. Those that failed
 * together come back one by one, and a process that still has the broken connection does not take it up again: workerd dies of that
 * (docs/decisions/0142). `random`: 0 to 1.
 */
export function repeatPauseMs(random: number): number {
  return PAUSE_MS_MIN + random * (PAUSE_MS_MAX - PAUSE_MS_MIN);
}
