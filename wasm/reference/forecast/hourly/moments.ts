// Discounted normal equations of one scale of the series, shared by every regression on that scale.
import { REGRESSION } from "./settings.ts";
import { triangleSize } from "./triangle.ts";

export class Moments {
  readonly order: number;
  /** Packed lower triangle: Σ discount × features featuresᵀ. */
  readonly square: Float64Array;
  /** Σ discount × features × value. */
  readonly cross: Float64Array;
  /** Σ discount × value². */
  power = 0;
  /** Σ discount. */
  count = 0;

  constructor(order: number) {
    this.order = order;
    this.square = new Float64Array(triangleSize(order));
    this.cross = new Float64Array(order);
  }

  observe(features: Float64Array, value: number): void {
    const keep = REGRESSION.forgetting;
    for (let row = 0, at = 0; row < this.order; row += 1) {
      const feature = features[row]!;
      this.cross[row] = keep * this.cross[row]! + feature * value;
      for (let column = 0; column <= row; column += 1, at += 1) this.square[at] = keep * this.square[at]! + feature * features[column]!;
    }
    this.power = keep * this.power + value * value;
    this.count = keep * this.count + 1;
  }
}
