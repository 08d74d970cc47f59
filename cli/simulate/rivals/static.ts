import type { Scaler } from "../account.ts";

/** The same fleet at all times. */
export class StaticScaler implements Scaler {
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  decide(): number {
    return this.#count;
  }
}
