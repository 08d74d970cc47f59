import type { End, Message } from "#shared/resume/frames.ts";
import type { Leg } from "./leg.ts";
import { costOf, type Lane } from "./pace/lane.ts";
import type { PacedFlow } from "./pace/paced-flow.ts";

interface PacedLegInput {
  /** Undefined: its flow is not limited. */
  readonly flow: () => PacedFlow | undefined;
  /** A message that waited is delivered in a turn of its own. */
  readonly inTurn: (act: () => void) => void;
}

/** A leg whose messages go as their flow's bandwidth and service time let them. What waits is not acknowledged: its device has it still. */
export class PacedLeg implements Leg {
  readonly #leg: Leg;
  readonly #input: PacedLegInput;
  #lane: Lane | undefined;

  constructor(leg: Leg, input: PacedLegInput) {
    this.#leg = leg;
    this.#input = input;
  }

  deliver(message: Message): void {
    this.#lane ??= this.#input.flow()?.lane("endpoint");
    if (this.#lane === undefined) return this.#leg.deliver(message);
    const run = (): void => this.#input.inTurn(() => this.#leg.deliver(message));
    this.#lane.send({ bytes: costOf(message.payload), run }, Date.now());
  }

  flush(): void {
    this.#leg.flush();
  }

  wake(): void {
    this.#leg.wake();
  }

  stop(end: Pick<End, "why" | "code" | "reason">): void {
    this.#lane?.clear();
    this.#leg.stop(end);
  }

  leave(): Promise<void> | null {
    this.#lane?.clear();
    return this.#leg.leave();
  }

  abandon(): void {
    this.#lane?.clear();
    this.#leg.abandon();
  }
}
