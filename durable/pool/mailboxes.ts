// Verdicts on their way to the isolates that asked. An isolate cannot be called: what there is for it is the answer to a call of its own, and the
// newest one stands here while somebody of it waits and there is nothing. Pure; times are the pool's.
import type { SlotVerdict } from "#shared/protocol/exchange.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";

/** Of an isolate that has not called for so long nobody waits any more. */
const SILENT_MS_MAX = MINUTE_MS;

/** Before isolates give a call up. */
const STOOD_MS_MAX = SECOND_MS / 2;

interface Mailbox {
  /** Who asked, and has no verdict; since when, by the holder's clock. */
  readonly awaited: Map<string, number>;
  verdicts: SlotVerdict[];
  /** Answers the call that stands here. */
  standing: ((verdicts: readonly SlotVerdict[]) => void) | null;
  calledAtMs: number;
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
  await(holder: string, { slotId, askedAtMs }: Pick<SlotVerdict, "slotId" | "askedAtMs">, nowMs: number): number {
    const { awaited } = this.#of(holder, nowMs);
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
   * A newer call of the holder has come. One that has stood for long goes back before anything else happens: the isolate may have given it up, and
   * would not miss what it brought.
   */
  supersede(holder: string, nowMs: number): void {
    const box = this.#boxes.get(holder);
    if (box === undefined || Math.abs(nowMs - box.calledAtMs) < STOOD_MS_MAX) return;
    box.standing?.([]);
    box.standing = null;
  }

  /** Answers a call of the holder with what there is for it, as soon as there is anything, nobody of it waits, or it calls again. */
  collect(holder: string, answer: (verdicts: readonly SlotVerdict[]) => void, nowMs: number): void {
    this.#sweep(nowMs);
    const box = this.#of(holder, nowMs);
    box.calledAtMs = nowMs;
    box.standing?.([]);
    box.standing = answer;
    this.#deliverTo(box);
  }

  /** Answers the calls for which there is something now. */
  deliver(): void {
    for (const box of this.#ready) this.#deliverTo(box);
    this.#ready.clear();
  }

  #deliverTo(box: Mailbox): void {
    if (box.standing === null || (box.verdicts.length === 0 && box.awaited.size > 0)) return;
    box.standing(box.verdicts);
    box.verdicts = [];
    box.standing = null;
  }

  #of(holder: string, nowMs: number): Mailbox {
    let box = this.#boxes.get(holder);
    if (box === undefined) this.#boxes.set(holder, (box = { awaited: new Map(), verdicts: [], standing: null, calledAtMs: nowMs }));
    return box;
  }

  #sweep(nowMs: number): void {
    if (Math.abs(nowMs - this.#sweptAtMs) < SILENT_MS_MAX) return;
    this.#sweptAtMs = nowMs;
    for (const [holder, box] of this.#boxes) {
      if (Math.abs(nowMs - box.calledAtMs) < SILENT_MS_MAX || box.awaited.size > 0) continue;
      box.standing?.([]);
      this.#boxes.delete(holder);
    }
  }
}
