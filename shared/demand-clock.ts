// A clock for development on which demand is told `speed` times as fast as on the wall: a day in 24 minutes at 60. What is measured, forecast
// and planned lives by it; leases, deadlines and processes do not. At 1 it is the wall's.

/** Where both clocks meet; any fixed moment would do. 2026-01-01T00:00:00Z. */
const MEET_MS = 1_767_225_600_000;

/** A report may be five seconds old, and no more than 60 bins of ten seconds are kept open for it. */
export const DEMAND_SPEED_MAX = 60;

export function demandTimeOf(wallMs: number, speed: number): number {
  return MEET_MS + (wallMs - MEET_MS) * speed;
}

/** Never too early. */
export function wallTimeOf(demandMs: number, speed: number): number {
  return Math.ceil(MEET_MS + (demandMs - MEET_MS) / speed);
}

/** 1 where nothing, or nothing that makes sense, is said. */
export function readDemandSpeed(text: string | undefined): number {
  const speed = Number(text ?? "1");
  return Number.isInteger(speed) && speed >= 1 && speed <= DEMAND_SPEED_MAX ? speed : 1;
}
