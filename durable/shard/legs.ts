import type { Payload } from "#shared/resume/frames.ts";
import type { BufferBudget } from "./buffer-budget.ts";
import { HttpLeg } from "./http-leg.ts";
import type { Leg, LegEvents } from "./leg.ts";
import { PacedLeg } from "./paced-leg.ts";
import type { ShardPace } from "./shard-pace.ts";
import { PostPermits } from "./post-permits.ts";
import type { SessionRoute } from "./session-store.ts";
import { WebSocketLeg } from "./websocket-leg.ts";

interface LegsInput {
  readonly pace: ShardPace;
  readonly inTurn: (act: () => void) => void;
  readonly budget: () => BufferBudget;
}

/** The ways to the endpoints of a Shard object's sessions. */
export class Legs {
  readonly #input: LegsInput;
  readonly #permits = new PostPermits();
  readonly #opened = new Map<string, WebSocket>();

  constructor(input: LegsInput) {
    this.#input = input;
  }

  /** The endpoint's socket of a session that is about to begin. */
  expect(sessionId: string, socket: WebSocket): void {
    this.#opened.set(sessionId, socket);
  }

  make(sessionId: string, route: SessionRoute, events: LegEvents): Leg {
    const { pace, inTurn, budget } = this.#input;
    const closed = (close: { readonly code: number; readonly reason: string }): void => {
      paced.drop();
      events.closed(close);
    };
    const leg = this.#bareLeg(sessionId, route, { ...events, closed });
    const pass = (payload: Payload): void => pace.pass(route, payload);
    const paced = new PacedLeg(leg, { pass, flow: () => pace.find(route.flow), inTurn, afterSave: events.afterSave, budget });
    return paced;
  }

  #bareLeg(sessionId: string, route: SessionRoute, events: LegEvents): Leg {
    const input = { sessionId, route, events };
    if (route.mode === "http") return new HttpLeg(input, { permits: this.#permits, spend: this.#input.pace.spend });
    const socket = this.#opened.get(sessionId) ?? null;
    this.#opened.delete(sessionId);
    return new WebSocketLeg(input, socket);
  }
}
