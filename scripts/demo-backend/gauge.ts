/** Counts what is in flight against a capacity that it reports but cannot enforce: the caller refuses. */
export class Gauge {
  readonly capacity: number;
  inFlight = 0;
  inFlightMax = 0;
  served = 0;
  overCapacity = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Takes a place and returns how to give it back, once; null where there is none: then the gateway admitted too many. */
  enter(): (() => void) | null {
    if (this.inFlight >= this.capacity) {
      this.overCapacity++;
      return null;
    }
    this.inFlight++;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.inFlight--;
      this.served++;
    };
  }
}
