import type { End, Message, Payload } from "#shared/resume/frames.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { BufferBudget } from "./buffer-budget.ts";
import type { Leg } from "./leg.ts";
import { costOf, type Lane } from "./pace/lane.ts";
import type { PacedFlow } from "./pace/paced-flow.ts";

/** What its device said before it closed waits so long, and its close with it. */
const CLOSE_MS_MAX = 5 * SECOND_MS;

interface PacedLegInput {
  /** Told of each message. */
  readonly pass: (payload: Payload) => void;
  /** Undefined: its flow is not limited. */
  readonly flow: () => PacedFlow | undefined;
  /** A message that waited is delivered in a turn of its own. */
  readonly inTurn: (act: () => void) => void;
  /** When that is written, and what it delivered has left. */
  readonly afterSave: (run: () => void) => void;
  readonly budget: () => BufferBudget;
}

/** A leg whose messages go as their flow's bandwidth and service time let them. What waits is not acknowledged: its device has it still. */
export class PacedLeg implements Leg {
  readonly #leg: Leg;
  readonly #input: PacedLegInput;
  #lane: Lane | undefined;
  /** Nothing waits here any more, nor comes. */
  readonly #stopped = Promise.withResolvers<void>();

  constructor(leg: Leg, input: PacedLegInput) {
    this.#leg = leg;
    this.#input = input;
  }

  deliver(message: Message): void {
    this.#input.pass(message.payload);
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

  /** The endpoint has closed: it takes nothing more. */
  drop(): void {
    this.#lane?.clear();
    this.#stopped.resolve();
  }

  stop(end: Pick<End, "why" | "code" | "reason">): void {
    const lane = this.#lane;
    if (lane === undefined || lane.isEmpty || end.why !== "closed") {
      this.drop();
      return this.#leg.stop(end);
    }
    // It is no part of the session any more.
    lane.onHeld = (change) => this.#input.budget().hold(change);
    lane.onHeld(lane.bytes);
    const stop = (): void =>
      this.#input.inTurn(() => {
        this.#leg.flush();
        this.#input.afterSave(() => {
          this.#leg.stop(end);
          this.#stopped.resolve();
        });
      });
    lane.finish(stop, { nowMs: Date.now(), withinMs: CLOSE_MS_MAX });
  }

  async emptied(): Promise<void> {
    await this.#stopped.promise;
    await this.#leg.emptied();
  }

  leave(): Promise<void> | null {
    this.drop();
    return this.#leg.leave();
  }

  abandon(): void {
    this.drop();
    this.#leg.abandon();
  }
}
