// What leaves for the devices of sessions: their messages as the flow's bandwidth lets them go, all other frames at once. What waits is kept on
// disk as what was sent is, until its device acknowledges it.
import type { GatewayEffect } from "#shared/resume/step-gateway.ts";
import type { End, Payload } from "#shared/resume/frames.ts";
import { SECOND_MS } from "#shared/units.ts";
import type { BufferBudget } from "./buffer-budget.ts";
import type { Live } from "./host-shell.ts";
import { closeQuietly, sendFrame } from "./socket-io.ts";
import { costOf } from "./pace/lane.ts";
import type { ShardPace } from "./shard-pace.ts";
import type { Turn } from "./turn.ts";

/** A session that is over waits so long for what it has to send still; its device is told what it misses. */
const END_MS_MAX = 5 * SECOND_MS;

interface Shell {
  readonly pace: () => Pick<ShardPace, "find" | "pass">;
  readonly budget: BufferBudget;
  readonly socketOf: (live: Live, attempt: number) => WebSocket | undefined;
}

export class SessionOutflow {
  readonly #shell: Shell;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  transmit(live: Live, { attempt, frame }: Extract<GatewayEffect, { kind: "transmit" }>): void {
    const send = (): void => sendFrame(this.#shell.socketOf(live, attempt), frame);
    if (frame.type === "end") this.#finish(live, send);
    else if (frame.type !== "message" || !this.#isPaced(live, frame.payload)) send();
    else live.outflow?.send({ bytes: costOf(frame.payload), sequence: frame.sequence, run: send }, Date.now());
  }

  disconnect(live: Live, effect: Extract<GatewayEffect, { kind: "disconnect" }>): void {
    const run = (): void => closeQuietly(this.#shell.socketOf(live, effect.attempt), effect);
    if (live.state.end === null) run();
    else this.#finish(live, run);
  }

  /** A step has changed the session: what its device has, or has gone without, waits no more. */
  follow(live: Live, attemptBefore: number): void {
    const { outflow, state } = live;
    if (outflow === undefined || outflow.isEmpty) return;
    if (state.detachedAtMs !== null || state.attempt !== attemptBefore) outflow.clear();
    else if (state.end === null) outflow.dropThrough(state.outbound.acknowledged);
  }

  /** A connection has closed: also where the session was over before, nobody is there for what waits still. */
  leave(live: Live, attempt: number): void {
    if (attempt === live.state.attempt) live.outflow?.end();
  }

  /** A session is over: until nothing of its messages is kept any more its slot stands for them. Null: they count for nothing. */
  stop(live: Live, end: End, turn: Pick<Turn<Live>, "afterSave">): Promise<void> | null {
    const { leg, route } = live;
    const { promise, resolve } = Promise.withResolvers<void>();
    turn.afterSave(() => {
      if (route.isTentative === true) leg.abandon();
      else leg.stop(end);
      if (route.memoryBytes !== undefined) void leg.emptied().then(() => this.#finish(live, resolve));
    });
    return route.memoryBytes === undefined ? null : promise;
  }

  #isPaced(live: Live, payload: Payload): boolean {
    const pace = this.#shell.pace();
    pace.pass(live.route, payload);
    live.outflow ??= pace.find(live.route.flow)?.lane("device");
    return live.outflow !== undefined;
  }

  #finish(live: Live, run: () => void): void {
    const lane = live.outflow;
    if (lane === undefined || lane.isEmpty) return run();
    // It is no part of the session any more.
    if (lane.onHeld === null) {
      lane.onHeld = (change) => this.#shell.budget.hold(change);
      lane.onHeld(lane.bytes);
    }
    lane.finish(run, { nowMs: Date.now(), withinMs: END_MS_MAX });
  }
}
