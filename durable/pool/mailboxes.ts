// Verdicts on their way to the isolates that asked. An isolate cannot be called: what there is for it is the answer to a call of its own, and the
// newest one stands here while somebody of it waits and there is nothing. Pure; times are the pool's.
import type { SlotVerdict } from "#shared/protocol/exchange.ts";
import { MINUTE_MS } from "#shared/units.ts";

/** How often all of them are looked at. Of an isolate that has not called between two looks nobody waits any more. */
const LOOK_MS = MINUTE_MS;

export interface HolderCall {
  /** Of the holder's calls: a later one has a higher one. */
  readonly number: number;
  readonly answer: (verdicts: readonly SlotVerdict[]) => void;
}

interface Mailbox {
  /** Who asked, and has no verdict; since when, by the holder's clock. */
  readonly awaited: Map<string, number>;
  verdicts: SlotVerdict[];
  standing: HolderCall | null;
  /** The highest number of the holder's calls so far. */
  newest: number;
  /** Nothing was heard of its holder since the last look at all of them. */
  isSilent: boolean;
}

export class Mailboxes {
  readonly #boxes = new Map<string, Mailbox>();
  /** Those with a verdict that a standing call is to bring. */
  readonly #ready = new Set<Mailbox>();
  #sweptAtMs = -Infinity;

  get size(): number {
    return this.#boxes.size;
  }

  /** A verdict on the holder's request will come. Since when it is awaited: whoever asks again has waited since the first time. */
  await(holder: string, { slotId, askedAtMs }: Pick<SlotVerdict, "slotId" | "askedAtMs">): number {
    const { awaited } = this.#of(holder);
    const sinceMs = awaited.get(slotId) ?? askedAtMs;
    awaited.set(slotId, sinceMs);
    return sinceMs;
  }

  awaits(holder: string, slotId: string): boolean {
    return this.#boxes.get(holder)?.awaited.has(slotId) === true;
  }

  /** Nobody waits for it any more. */
  forget(holder: string, slotId: string): void {
    const box = this.#boxes.get(holder);
    if (box?.awaited.delete(slotId) === true) this.#ready.add(box);
  }

  put(holder: string, verdict: SlotVerdict): void {
    const box = this.#boxes.get(holder);
    if (box?.awaited.delete(verdict.slotId) !== true) return;
    box.verdicts.push(verdict);
    this.#ready.add(box);
  }

  /**
   * The holder counts on none of its calls before that number: it has given them up. One that stands here goes back before anything else happens, for
   * nobody would miss what it brought.
   */
  giveUpBefore(holder: string, number: number): void {
    const box = this.#boxes.get(holder);
    if (box === undefined || box.standing === null || box.standing.number >= number) return;
    box.standing.answer([]);
    box.standing = null;
  }

  /**
   * Answers a call of the holder with what there is for it, as soon as there is anything, nobody of it waits, or it calls again. One that a newer one
   * has overtaken does not stand: it may be so late that nobody hears it.
   */
  collect(holder: string, call: HolderCall, nowMs: number): void {
    const box = this.#of(holder);
    box.isSilent = false;
    this.#sweep(nowMs);
    if (call.number < box.newest) return call.answer([]);
    box.newest = call.number;
    box.standing?.answer([]);
    box.standing = call;
    this.#deliverTo(box);
  }

  /** Answers the calls for which there is something now. */
  deliver(): void {
    for (const box of this.#ready) this.#deliverTo(box);
    this.#ready.clear();
  }

  #deliverTo(box: Mailbox): void {
    if (box.standing === null || (box.verdicts.length === 0 && box.awaited.size > 0)) return;
    box.standing.answer(box.verdicts);
    box.verdicts = [];
    box.standing = null;
  }

  #of(holder: string): Mailbox {
    let box = this.#boxes.get(holder);
    if (box === undefined)
      this.#boxes.set(holder, (box = { awaited: new Map(), verdicts: [], standing: null, newest: 0, isSilent: false }));
    return box;
  }

  /** Twice silent, not long ago: a clock that is set ahead ends everybody's wait, and what they are told of it waits here for their calls. */
  #sweep(nowMs: number): void {
    if (Math.abs(nowMs - this.#sweptAtMs) < LOOK_MS) return;
    this.#sweptAtMs = nowMs;
    for (const [holder, box] of this.#boxes) {
      if (box.isSilent && box.awaited.size === 0) {
        box.standing?.answer([]);
        this.#boxes.delete(holder);
      }
      box.isSilent = true;
    }
  }
}
