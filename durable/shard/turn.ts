/**
 * Takes together what comes in together, in order, and writes it at the end of the turn: without an await in between that is one
 * transaction, and the output gate holds what was sent meanwhile until it is confirmed. So one commit serves many messages.
 */
export class Turn<T> {
  readonly #save: (changed: T) => void;
  readonly #changed = new Set<T>();
  readonly #waiting: (() => void)[] = [];
  #depth = 0;

  constructor(save: (changed: T) => void) {
    this.#save = save;
  }

  /** With the others that come until the event loop turns. */
  soon(run: () => void): void {
    this.#waiting.push(run);
    if (this.#waiting.length > 1) return;
    setTimeout(() => {
      this.run(() => {
        for (const waiting of this.#waiting.splice(0)) waiting();
      });
    }, 0);
  }

  /** Now; within another one, its changes are written with that one's. */
  run(act: () => void): void {
    this.#depth += 1;
    try {
      act();
    } finally {
      this.#depth -= 1;
      if (this.#depth === 0) this.#saveAll();
    }
  }

  /** To be written at the end. */
  touch(changed: T): void {
    this.#changed.add(changed);
  }

  #saveAll(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const one of changed) this.#save(one);
  }
}
