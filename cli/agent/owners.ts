/**
 * When each service was last heard of: whoever ordered units for it asks for their list, or orders, every ten minutes at least. Pure; times are
 * the agent's own, of when it was awake.
 */
export class Owners {
  readonly #heardMs = new Map<string, number>();

  heard(service: string, nowMs: number): void {
    this.#heardMs.set(service, nowMs);
  }

  /** One that was never heard of begins now. */
  silentMs(service: string, nowMs: number): number {
    const heardMs = this.#heardMs.get(service);
    if (heardMs === undefined) this.heard(service, nowMs);
    return nowMs - (heardMs ?? nowMs);
  }

  /** The others are forgotten. */
  keep(services: ReadonlySet<string>): void {
    for (const service of this.#heardMs.keys()) if (!services.has(service)) this.#heardMs.delete(service);
  }
}
