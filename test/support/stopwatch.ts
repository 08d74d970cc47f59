/**
 * Milliseconds since now, for bounds of a rate: by the wall clock, which is the only one that the gateway has and which a machine may set
 * forward, or by the monotonic one where it was set back.
 */
export function startStopwatch(): () => number {
  const [wallAtMs, atMs] = [Date.now(), performance.now()];
  return () => Math.max(Date.now() - wallAtMs, performance.now() - atMs);
}
