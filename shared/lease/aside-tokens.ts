// Tokens that a holder has put aside: each for a request that asks the object for a slot by name. They are out, and unspent.
import type { HeldSlots } from "./held-slots.ts";

export class AsideTokens {
  /** By the slot's id. */
  readonly #entries = new Map<string, { readonly held: HeldSlots; readonly untilMs: number }>();

  /** False: there is none that is neither spent nor put aside. */
  put(slotId: string, held: HeldSlots, untilMs: number): boolean {
    if (held.tokens - held.aside < 1 || this.#entries.has(slotId)) return false;
    this.#entries.set(slotId, { held, untilMs });
    held.aside += 1;
    return true;
  }

  /** The request has its slot: the token is spent. False: there is none; one that ended with its lease was spent with that. */
  take(slotId: string): boolean {
    const held = this.#remove(slotId);
    if (held !== undefined) held.tokens -= 1;
    return held !== undefined;
  }

  /** The request has none: the token is another's. */
  giveBack(slotId: string): void {
    this.#remove(slotId);
  }

  /** Nobody asks for so long: what became of those requests was told to nobody. */
  giveBackOverdue(nowMs: number): void {
    for (const [slotId, { untilMs }] of this.#entries) if (nowMs > untilMs) this.#remove(slotId);
  }

  /** The lease is over, and with it all tokens. */
  clear(): void {
    for (const { held } of this.#entries.values()) held.aside = 0;
    this.#entries.clear();
  }

  #remove(slotId: string): HeldSlots | undefined {
    const held = this.#entries.get(slotId)?.held;
    if (held === undefined) return undefined;
    this.#entries.delete(slotId);
    held.aside -= 1;
    return held;
  }
}
