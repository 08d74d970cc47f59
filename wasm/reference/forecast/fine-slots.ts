// What the same time of the week and of the day looked like: last week's levels, and a running mean over the days, both in
// slots of local time, 16 bits a slot (0: never seen).
import { DAY_MS, SLOTS, WEEK_MS } from "./fine-settings.ts";

/** A slot is written two slots late, so that interpolation never mixes this week with the last. */
const HELD_COUNT = 2;

export class Slots {
  readonly #slotMs: number;
  readonly #weekCount: number;
  readonly #dayCount: number;
  readonly #week: Uint16Array;
  readonly #day: Uint16Array;
  #slot = -1;
  #sum = 0;
  #count = 0;
  readonly #heldSlots = [-1, -1];
  readonly #heldLevels = [0, 0];

  constructor(stepMs: number) {
    this.#slotMs = Math.min(DAY_MS, Math.max(SLOTS.slotMs, stepMs));
    this.#weekCount = Math.ceil(WEEK_MS / this.#slotMs);
    this.#dayCount = Math.ceil(DAY_MS / this.#slotMs);
    this.#week = new Uint16Array(this.#weekCount);
    this.#day = new Uint16Array(this.#dayCount);
  }

  /** A bin whose middle is `localMs` in local time had this level. */
  observe(localMs: number, level: number): void {
    const slot = Math.floor(localMs / this.#slotMs);
    if (slot !== this.#slot) this.#turn(slot);
    this.#sum += level;
    this.#count += 1;
  }

  #turn(slot: number): void {
    if (this.#count > 0) {
      this.#hold(this.#slot, this.#sum / this.#count);
    }
    if (Math.abs(slot - this.#slot) > HELD_COUNT) for (let held = 0; held < HELD_COUNT; held += 1) this.#hold(-1, 0);
    this.#slot = slot;
    this.#sum = 0;
    this.#count = 0;
  }

  #hold(slot: number, level: number): void {
    const oldest = this.#heldSlots[0]!;
    if (oldest !== -1) this.#write(oldest, this.#heldLevels[0]!);
    this.#heldSlots[0] = this.#heldSlots[1]!;
    this.#heldLevels[0] = this.#heldLevels[1]!;
    this.#heldSlots[1] = slot;
    this.#heldLevels[1] = level;
  }

  #write(slot: number, level: number): void {
    const inDay = wrap(slot, this.#dayCount);
    const code = this.#day[inDay]!;
    const before = decode(code);
    this.#week[wrap(slot, this.#weekCount)] = encode(level);
    this.#day[inDay] = encode(code === 0 ? level : before + SLOTS.dayRate * (level - before));
  }

  /** What the slots of the week say of that time; NaN where they say nothing. */
  weekAt(localMs: number): number {
    return at(this.#week, this.#weekCount, localMs / this.#slotMs - 0.5);
  }

  dayAt(localMs: number): number {
    return at(this.#day, this.#dayCount, localMs / this.#slotMs - 0.5);
  }
}

function at(slots: Uint16Array, count: number, position: number): number {
  const first = Math.floor(position);
  const share = position - first;
  const [before, after] = [slots[wrap(first, count)]!, slots[wrap(first + 1, count)]!];
  if (before === 0) return after === 0 ? Number.NaN : decode(after);
  return after === 0 ? decode(before) : decode(before) + share * (decode(after) - decode(before));
}

function wrap(slot: number, count: number): number {
  return slot - count * Math.floor(slot / count);
}

function encode(level: number): number {
  return 1 + Math.min(65_534, Math.max(0, Math.floor(level / SLOTS.unit + 0.5)));
}

function decode(code: number): number {
  return (code - 1) * SLOTS.unit;
}
