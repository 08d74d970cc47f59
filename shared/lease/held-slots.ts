// What a holder has of one flow, or of one lane: the same rules for both.
import type { FlowReport } from "../protocol/lease.ts";

export class HeldSlots {
  slots = 0;
  /** Of the lease before, which the ledger counts until its end or the next renewal. */
  slotsBefore = 0;
  running = 0;
  /** Of those that run, the ones whose slot was granted by name, until a renewal reports them … */
  granted = 0;
  /** … and from then on until its answer. The ledger counts each by its name or, from the renewal on, among `running`:
   * whichever it is, they leave no room in the lease. */
  pending = 0;
  /** What the ledger surely counts as running here, whatever became of the messages since. */
  named = 0;
  /** As the newest request had it. */
  reported = 0;
  /** Of a flow with a rate; unspent. */
  tokens = 0;
  /** Of them, those that are put aside for requests which wait for a slot. */
  aside = 0;

  get hasRoom(): boolean {
    return this.running - this.granted < this.slots;
  }

  get isEmpty(): boolean {
    return this.slots === 0 && this.slotsBefore === 0 && this.running === 0 && this.tokens === 0;
  }

  leave(): void {
    if (this.running > 0) this.running -= 1;
  }

  /** Gives up what is neither running nor wanted, and notes what the request says. */
  report(want: number, isLive: boolean): void {
    this.slots = isLive ? Math.min(this.slots, Math.max(this.running - this.granted - this.pending, want)) : 0;
    this.reported = this.running - this.granted;
    this.named = Math.min(this.named, this.reported);
    // The lease before may end later than this one, but the ledger forgets it with this request.
    this.slotsBefore = Math.min(this.slotsBefore, this.reported);
  }

  apply(grant: { readonly slots: number; readonly named: number } | undefined): void {
    this.slotsBefore = this.slots;
    this.slots = grant?.slots ?? 0;
    this.named = Math.min(this.reported, grant?.named ?? 0);
  }

  /** How many of those that run the ledger no longer counts. */
  excess({ isLive, isLiveBefore }: { isLive: boolean; isLiveBefore: boolean }): number {
    const counted = Math.max(this.named, isLive ? this.slots : 0, isLiveBefore ? this.slotsBefore : 0);
    return Math.max(0, this.running - counted - this.granted - this.pending);
  }
}

export function isNothing({ slots, reported, slotsBefore }: HeldSlots, want: number): boolean {
  return want === 0 && reported === 0 && slots === 0 && slotsBefore === 0;
}

/** What a renewal says of a flow; null: nothing. */
export function reportOf(
  held: HeldSlots,
  { flow, want, tokensWant }: Pick<FlowReport, "flow" | "want" | "tokensWant">,
  isLive: boolean,
): FlowReport | null {
  held.report(want, isLive);
  const { tokens } = held;
  held.tokens = Math.min(tokens, Math.max(tokensWant, held.aside));
  const tokensReturned = tokens - held.tokens;
  if (isNothing(held, want) && tokens === 0 && tokensWant === 0) return null;
  return { flow, want, running: held.reported, keep: held.slots, tokensWant, tokensHeld: held.tokens, tokensReturned };
}
