// What an endpoint says to its session.
import { BAD_UPSTREAM, TRY_LATER } from "#shared/protocol/close-codes.ts";
import type { GripAnswer } from "#shared/protocol/grip.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { payloadBytes, type Payload } from "#shared/resume/frames.ts";
import type { GatewayInput } from "#shared/resume/step-gateway.ts";
import { keptBytesMax } from "#shared/resume/outbound.ts";
import type { HostShell, Live } from "./host-shell.ts";
import type { LegEvents } from "./leg.ts";
import type { SessionHost } from "./session-host.ts";

export class EndpointSide {
  readonly #host: SessionHost;
  readonly #shell: HostShell;

  constructor(host: SessionHost, shell: HostShell) {
    this.#host = host;
    this.#shell = shell;
  }

  /** What it said when it took the session. */
  greet(live: Live, greeting: GripAnswer): void {
    this.#follow(live, greeting);
    for (const payload of greeting.payloads) this.push(live, payload);
  }

  eventsOf(sessionId: string): LegEvents {
    const { turn } = this.#host;
    // It may have left memory meanwhile.
    const withLive = (act: (live: Live) => void): void => {
      const live = this.#host.load(sessionId);
      if (live !== undefined) act(live);
    };
    const step = (input: GatewayInput): void => turn.soon(() => withLive((live) => this.#host.step(live, [input])));
    return {
      answered: (upTo, answer) => turn.soon(() => withLive((live) => this.#onAnswered(live, upTo, answer))),
      delivered: (upTo) => withLive((live) => this.#host.step(live, [{ kind: "delivered", upTo }])),
      push: (payload) => turn.soon(() => withLive((live) => this.push(live, payload))),
      closed: ({ code, reason }) => step({ kind: "close", code, reason }),
      failed: (reason) => step({ kind: "fail", why: "endpoint", code: BAD_UPSTREAM, reason }),
      received: () => this.#host.load(sessionId)?.saved?.received ?? 0,
      waitUntil: (promise) => this.#shell.ctx.waitUntil(promise),
      atEnd: (run) => turn.atEnd(run),
      afterSave: (run) => turn.afterSave(run),
    };
  }

  /** A session that is over, or being closed, takes nothing more. */
  push(live: Live, payload: Payload): void {
    const { end, closing } = live.state;
    if (end !== null || closing !== null) return;
    if (this.#host.canPush(live, payloadBytes(payload))) this.#host.step(live, [{ kind: "push", payload }]);
    else this.#overflow(live);
  }

  /** The endpoint's answers and the receipt of what they answer are one commit. */
  #onAnswered(live: Live, upTo: number, answer: GripAnswer): void {
    const { received, pending } = live.state;
    // Of a request whose messages are not waited for any more, since the session was handed over: its device sends them again, and the
    // endpoint gives the same answers again. Kept now, they would come twice.
    if (upTo <= received || upTo > received + pending.length) return;
    this.#follow(live, answer);
    const { payloads: answers } = answer;
    const bytes = answers.reduce((sum, payload) => sum + payloadBytes(payload), 0);
    const { kept, keptBytes } = live.state.outbound;
    const bytesMax = keptBytesMax(live.state.windowBytes);
    const fits = kept.length + answers.length <= RESUME.windowCountMax && keptBytes + bytes <= bytesMax;
    if (answers.length > 0 && !(fits && this.#host.budget.hasRoom(bytes))) return this.#overflow(live);
    const pushes = answers.map((payload): GatewayInput => ({ kind: "push", payload }));
    this.#host.step(live, [...pushes, { kind: "delivered", upTo }]);
  }

  /** Its subscriptions are part of the commit that they came with. */
  #follow({ state, route }: Live, { changes, faults }: GripAnswer): void {
    if (state.end !== null) return;
    const refused = this.#shell.store.topics.apply({ socketId: state.sessionId, tenant: route.tenant }, changes);
    this.#shell.news().countGripFaults(route, faults, refused);
  }

  #overflow(live: Live): void {
    const isHeld = live.outflow?.isEmpty === false;
    const { windowBytes } = live.state;
    const whose = windowBytes === undefined ? "" : `, which is ${keptBytesMax(windowBytes)} bytes of its tenant's memory`;
    const more = `more for the device than its session's window${whose}, or its shard, holds`;
    const reason = isHeld ? `${more}: it waits for its tenant's bandwidth` : more;
    this.#host.step(live, [{ kind: "fail", why: "overflow", code: TRY_LATER, reason }]);
  }
}
