import { Arrivals } from "./arrivals.ts";

/** Who says something. */
type Side = "device" | "endpoint";

/** Of the event loop, before what came is taken: each is a timer of a millisecond. */
const ROUNDS_MAX = 8;
/** Of the event loop, in which what comes after a turn that did not wait should have been its. The first may be over with its commit. */
const WATCH_ROUNDS = 2;
/** What came is taken at once when it is so much. */
const WAITING_MAX = 1_024;

/**
 * Takes together what comes in together, in order, and writes it at the end of the turn: without an await in between that is one
 * transaction. What leaves comes after: the output gate holds it until the commit is confirmed, but only what is sent after a write
 * has begun. So one commit serves many messages, and none of them leaves before it.
 */
export class Turn<T> {
  readonly #save: (changed: T) => void;
  readonly #changed = new Set<T>();
  readonly #waiting: (() => void)[] = [];
  readonly #lasts: (() => void)[] = [];
  readonly #outputs: (() => void)[] = [];
  readonly #arrivals: Readonly<Record<Side, Arrivals>> = { device: new Arrivals(), endpoint: new Arrivals() };
  /** Timers of turns that were taken before are not heard. */
  #number = 0;
  #depth = 0;

  constructor(save: (changed: T) => void) {
    this.#save = save;
  }

  /** With the others that come before a round of the event loop brings none, or before as many are there as there are lately. */
  soon(run: () => void, from: Side = "endpoint"): void {
    this.#waiting.push(run);
    this.#arrivals[from].arrive();
    if (this.#waiting.length >= WAITING_MAX) this.takeAll();
    else if (this.#isComplete) this.#takeEarly();
    else if (this.#waiting.length === 1) this.#wait({ known: 1, rounds: 1 });
  }

  /** Now; within another one, its changes are written with that one's. */
  run(act: () => void): void {
    this.#depth += 1;
    try {
      act();
    } finally {
      try {
        if (this.#depth === 1) this.#runLasts();
      } finally {
        this.#depth -= 1;
        if (this.#depth === 0) this.#leave();
      }
    }
  }

  /** When everything that came together was taken, and before it is written. Only within a turn. */
  atEnd(run: () => void): void {
    this.#lasts.push(run);
  }

  /** When everything is written; at once where nothing is under way. */
  afterSave(run: () => void): void {
    if (this.#depth === 0) run();
    else this.#outputs.push(run);
  }

  /** To be written at the end. */
  touch(changed: T): void {
    this.#changed.add(changed);
  }

  /** As long as more comes, up to a bound: a commit costs about the same for one message and for many. */
  #wait({ known, rounds }: { known: number; rounds: number }): void {
    const number = this.#number;
    setTimeout(() => {
      if (this.#number !== number) return;
      const count = this.#waiting.length;
      if (count > known && rounds < ROUNDS_MAX) this.#wait({ known: count, rounds: rounds + 1 });
      else this.takeAll();
    }, 0);
  }

  get #isComplete(): boolean {
    return this.#arrivals.device.isComplete && this.#arrivals.endpoint.isComplete;
  }

  #takeEarly(): void {
    const watched = Object.values(this.#arrivals).filter((arrivals) => arrivals.take({ isEarly: true }));
    this.takeAll();
    const watch = (rounds: number): void => {
      setTimeout(() => {
        if (rounds < WATCH_ROUNDS) watch(rounds + 1);
        else for (const arrivals of watched) arrivals.rest();
      }, 0);
    };
    watch(1);
  }

  /** What waits is taken now. */
  takeAll(): void {
    this.#number += 1;
    for (const arrivals of Object.values(this.#arrivals)) arrivals.take({ isEarly: false });
    this.run(() => {
      for (const waiting of this.#waiting.splice(0)) waiting();
    });
  }

  #runLasts(): void {
    while (this.#lasts.length > 0) for (const last of this.#lasts.splice(0)) last();
  }

  #leave(): void {
    const [changed, outputs] = [[...this.#changed], this.#outputs.splice(0)];
    this.#changed.clear();
    for (const one of changed) this.#save(one);
    for (const output of outputs) output();
  }
}
