// One direction of a plain socket. What waits for its flow's bandwidth, or service time, is in memory alone, and so it is bounded.
import { TRY_LATER } from "#shared/protocol/close-codes.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import type { Payload } from "#shared/resume/frames.ts";
import { SECOND_MS } from "#shared/units.ts";
import { NO_MEMORY, TOO_LARGE, type Breach } from "./breach.ts";
import { BUSY, type BufferBudget } from "./buffer-budget.ts";
import { costOf, type Lane, type Side } from "./pace/lane.ts";
import type { FlowOwner, ShardPace } from "./shard-pace.ts";

/** Of one direction of one socket, where its flow's memory is not limited; all of them together are part of the object's budget. */
const WAITING_BYTES_MAX = RESUME.windowBytesMax;
const WAITING_COUNT_MAX = RESUME.windowCountMax;
/** A close waits so long for what came before it. */
const CLOSE_MS_MAX = 5 * SECOND_MS;

export interface PlainPace {
  readonly pace: () => Pick<ShardPace, "find" | "isOff" | "pass">;
  readonly budget: () => BufferBudget;
}

/** Whose socket it is. */
export interface PlainOwner extends FlowOwner {
  /** What its messages may take of its flow's memory, both ways; absent: that is not limited. */
  readonly memoryBytes?: number | undefined;
}

export class PlainLane {
  readonly #owner: FlowOwner;
  readonly #bytesMax: number;
  readonly #side: Side;
  readonly #shell: PlainPace;
  #lane: Lane | undefined;
  #isBusy = false;
  #hasRefused = false;
  /** What it was given last fits nowhere. */
  #isTooLarge = false;
  /** Whoever waits for the end of what waits. */
  #onCleared = (): void => {};

  constructor(owner: PlainOwner, side: Side, shell: PlainPace) {
    this.#owner = owner;
    this.#bytesMax = owner.memoryBytes === undefined ? WAITING_BYTES_MAX : owner.memoryBytes / 2;
    this.#side = side;
    this.#shell = shell;
  }

  /** Nothing of its flow is limited, or counted: what comes may go, and need not be asked for. A limit that is added later reaches it. */
  get isFree(): boolean {
    return this.#lane === undefined && (this.#shell.pace().isOff || (this.#lane = this.#open()) === undefined);
  }

  /** It goes without being asked for. */
  hear(payload: Payload | ArrayBuffer): void {
    this.#shell.pace().pass(this.#owner, payload);
  }

  /** Of what it was given last. */
  get hasRefused(): boolean {
    return this.#hasRefused;
  }

  /** What a socket is closed with for which more waits than may. */
  get breach(): Breach {
    if (this.#isTooLarge) return TOO_LARGE;
    if (this.#isBusy) return BUSY;
    if (this.#bytesMax < WAITING_BYTES_MAX && this.#lane !== undefined && this.#lane.count < WAITING_COUNT_MAX) return NO_MEMORY;
    return this.#lane?.isBlocked(Date.now()) === true ? TOO_LONG : TOO_MUCH;
  }

  /** Now, or in its turn. False: as much waits as may, and this does not. */
  send(payload: Payload | ArrayBuffer, run: () => void): boolean {
    this.hear(payload);
    const lane = (this.#lane ??= this.#open());
    if (lane === undefined) run();
    else {
      const bytes = payload instanceof ArrayBuffer ? Math.max(1, payload.byteLength) : costOf(payload);
      this.#isBusy = !this.#shell.budget().hasRoom(bytes);
      const isFull = lane.count >= WAITING_COUNT_MAX || lane.bytes + bytes > this.#bytesMax;
      this.#isTooLarge = bytes > this.#bytesMax;
      this.#hasRefused = this.#isTooLarge || this.#isBusy || (isFull && !lane.isEmpty);
      if (this.#hasRefused) return false;
      lane.send({ bytes, run }, Date.now());
    }
    return true;
  }

  /** After what waits, or without it when it takes too long. Resolves then. */
  async finish(run: () => void): Promise<void> {
    if (this.#lane === undefined || this.#lane.isEmpty) return run();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onCleared = resolve;
    this.#lane.finish(
      () => {
        run();
        resolve();
      },
      { nowMs: Date.now(), withinMs: CLOSE_MS_MAX },
    );
    return promise;
  }

  /** What waits is dropped. */
  clear(): void {
    this.#lane?.clear();
    this.#onCleared();
  }

  #open(): Lane | undefined {
    const lane = this.#shell.pace().find(this.#owner.flow)?.lane(this.#side);
    if (lane !== undefined) lane.onHeld = (change) => this.#shell.budget().hold(change);
    return lane;
  }
}

const TOO_MUCH: Breach = { code: TRY_LATER, reason: "bandwidth" };
const TOO_LONG: Breach = { code: TRY_LATER, reason: "service-time" };
