// What one horizon's forecasts turned out to be worth, beside persistence and seasonal naive from the same origins:
// running sums over a week, in the values' own unit.
import { verdictOf, type Verdict } from "#shared/forecast/minute-demand.ts";
import { INTERVAL, JUDGE } from "./fine-settings.ts";

/** All as values, not logarithms. */
export interface Judged {
  readonly value: number;
  /** Its own forecast, whoever speaks. */
  readonly own: number;
  readonly said: number;
  readonly lower: number;
  readonly upper: number;
  /** What is expected below `lower`. */
  readonly share: number;
  readonly persistence: number;
  /** NaN where there is none. */
  readonly seasonal: number;
}

export class Judge {
  yields = false;
  readonly #keep: number;
  readonly #rate: number;
  #updates = 0;
  readonly #sums = {
    weight: 0,
    value: 0,
    error: 0,
    own: 0,
    persistence: 0,
    seasonal: 0,
    seasonalValue: 0,
    inside: 0,
    width: 0,
    pinball: 0,
    bias: 0,
  };

  constructor(keep: number) {
    this.#keep = keep;
    this.#rate = 1 / (1 - keep);
  }

  observe({ value, own, said, lower, upper, share: below, persistence, seasonal }: Judged): void {
    const sums = this.#sums;
    const keep = this.#keep;
    const add = (sum: number, news: number): number => keep * sum + news;
    sums.weight = add(sums.weight, 1);
    sums.value = add(sums.value, value);
    sums.error = add(sums.error, Math.abs(value - said));
    sums.own = add(sums.own, Math.abs(value - own));
    sums.persistence = add(sums.persistence, Math.abs(value - persistence));
    if (!Number.isNaN(seasonal)) {
      sums.seasonal = add(sums.seasonal, Math.abs(value - seasonal));
      sums.seasonalValue = add(sums.seasonalValue, value);
    }
    sums.inside = add(sums.inside, lower <= value && value <= upper ? 1 : 0);
    sums.width = add(sums.width, upper - lower);
    const loss = pinball(value - said, 0.5) + pinball(value - lower, below) + pinball(value - upper, below + INTERVAL.level);
    sums.pinball = add(sums.pinball, loss / 3);
    sums.bias = add(sums.bias, said - value);
    this.#updates += 1;
    // Not before a whole memory has been judged.
    if (this.#updates < this.#rate) return;
    const share = this.yields ? JUDGE.returnsBelow : JUDGE.yieldsAbove;
    this.yields = sums.own > share * sums.persistence;
  }

  verdict(): Verdict {
    return verdictOf(this.#sums, this.yields);
  }
}

function pinball(error: number, p: number): number {
  return error >= 0 ? p * error : (p - 1) * error;
}
