/**
 * Time in which its owner was awake, in milliseconds. A machine that slept, a process that was stopped and a clock that was set say
 * nothing of what others did meanwhile: between two readings never more than `stepMsMax` pass, and never less than nothing.
 */
export class AwakeClock {
  readonly #stepMsMax: number;
  #wallMs: number;
  #awakeMs: number;

  constructor(wallMs: number, stepMsMax: number) {
    this.#wallMs = wallMs;
    this.#awakeMs = wallMs;
    this.#stepMsMax = stepMsMax;
  }

  at(wallMs: number): number {
    this.#awakeMs += Math.min(this.#stepMsMax, Math.max(0, wallMs - this.#wallMs));
    this.#wallMs = wallMs;
    return this.#awakeMs;
  }
}
