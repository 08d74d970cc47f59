/** An object's one alarm: whoever needs it first sets it, and nobody puts it off. */
export class NextAlarm {
  readonly #storage: Pick<DurableObjectStorage, "setAlarm">;
  #atMs = Infinity;

  constructor(storage: Pick<DurableObjectStorage, "setAlarm">) {
    this.#storage = storage;
  }

  /** When it comes; Infinity: none is set. */
  get atMs(): number {
    return this.#atMs;
  }

  /** After a start: the one that is set, which another one in its place must not be later than. Null: none is. */
  know(atMs: number | null): void {
    this.#atMs = atMs ?? Infinity;
  }

  /** It has come, and is set no more. */
  ring(): void {
    this.#atMs = Infinity;
  }

  /** It comes then, or before; null, Infinity: none is needed. */
  wakeAt(atMs: number | null): void {
    if (atMs === null || this.#atMs <= atMs) return;
    this.#atMs = atMs;
    void this.#storage.setAlarm(atMs);
  }
}
