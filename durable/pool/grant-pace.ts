export const KNOBS = { part: Number(process.env.PART ?? 0.95), burst: Number(process.env.BURST ?? 1), off: process.env.OFF === "1", cv0: Number(process.env.CV0 ?? 10), cv1: Number(process.env.CV1 ?? 20) };
const GAIN = 1 / 32;
export class GrantPace {
  #meanMs: number | null = null;
  #variance = 0;
  #contendedSinceMs: number | null = null;
  #nextAtMs = -Infinity;

  ended(heldMs: number): void {
    if (this.#meanMs === null) { this.#meanMs = heldMs; this.#variance = (heldMs/2)**2; return; }
    const d = heldMs - this.#meanMs;
    this.#meanMs += GAIN * d;
    this.#variance = (1 - GAIN) * (this.#variance + GAIN * d * d);
  }
  get cv(): number { return this.#meanMs ? Math.sqrt(this.#variance) / this.#meanMs : 0; }
  get meanMs() { return this.#meanMs; }

  tick(nowMs: number, isContended: boolean): void {
    if (!isContended) { this.#contendedSinceMs = null; return; }
    this.#contendedSinceMs ??= nowMs;
  }
  /** 0: now */
  pauseMs(nowMs: number, count: number): number {
    const every = this.#everyMs(nowMs, count);
    if (every === 0) return 0;
    return Math.max(0, Math.ceil(this.#nextAtMs - KNOBS.burst * every - nowMs));
  }
  granted(nowMs: number, count: number): void {
    const every = this.#everyMs(nowMs, count);
    this.#nextAtMs = Math.max(this.#nextAtMs, nowMs) + every;
  }
  #everyMs(nowMs: number, count: number): number {
    if (KNOBS.off || this.#meanMs === null || this.#contendedSinceMs === null || nowMs - this.#contendedSinceMs < this.#meanMs || count < 2) return 0;
    const f = Math.min(1, Math.max(0, (KNOBS.cv1 - this.cv) / (KNOBS.cv1 - KNOBS.cv0)));
    return KNOBS.part * f * this.#meanMs / count;
  }
}
