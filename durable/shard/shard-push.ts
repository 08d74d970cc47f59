// A message of the service's own accord, to each socket that it is for; and which those are, as far as topics say it.
import type { PushAnswer, PushRequest } from "#shared/protocol/shard-rpc.ts";
import type { TopicAnswer, TopicRequest } from "#shared/protocol/topics.ts";
import { payloadBytes } from "#shared/resume/frames.ts";
import { pushBytesMax } from "#shared/resume/outbound.ts";
import type { PlainHost } from "./plain-host.ts";
import type { PlainStore } from "./plain-store.ts";
import type { Relays } from "./relays.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionStore } from "./session-store.ts";

interface Holders {
  readonly host: SessionHost;
  readonly store: SessionStore;
  readonly plainHost: PlainHost;
  readonly plainStore: PlainStore;
  readonly relays: Relays;
}

export class ShardPush {
  readonly #holders: Holders;

  constructor(holders: Holders) {
    this.#holders = holders;
  }

  /** On disk, for sessions, when this returns. */
  push(request: PushRequest): PushAnswer {
    const { store, plainHost, plainStore, relays } = this.#holders;
    const { tenant, device, topic, payload, pushId } = request;
    const subscribers = topic === null ? null : store.topics.subscribers(tenant, topic);
    const [sessions, plain] = [subscribers ?? store.ownedBy(tenant, device), subscribers ?? plainStore.ownedBy(tenant, device)];
    const relayed = relays.find(tenant, { device, topic });
    const all = new Set([...sessions, ...plain, ...relayed.map(({ relayId }) => relayId)]);
    // Before any has it of this call.
    const had = [...all].filter((socketId) => this.#holders.host.pushes.has(pushId, socketId)).length;
    const sum = { taken: 0, full: 0, sent: 0 };
    const tooLarge = { count: 0, bytesMax: Infinity };
    for (const sessionId of sessions) {
      const became = this.#pushTo(sessionId, request);
      if (became === null) continue;
      if (typeof became === "string") sum[became] += 1;
      else {
        tooLarge.count += 1;
        tooLarge.bytesMax = Math.min(tooLarge.bytesMax, became.bytesMax);
      }
    }
    for (const socketId of plain) if (this.#once(pushId, socketId, () => plainHost.push(socketId, payload))) sum.sent += 1;
    for (const { relayId, send } of relayed) if (this.#once(pushId, relayId, () => send(payload))) sum.sent += 1;
    return { ...sum, ...(had > 0 && { had }), ...(tooLarge.count > 0 && { tooLarge }) };
  }

  subscribe({ tenant, device, changes }: TopicRequest): TopicAnswer {
    const { host, store, plainStore, relays } = this.#holders;
    const sum = { sockets: 0, full: 0 };
    const count = (isDone: boolean): void => void (sum[isDone ? "sockets" : "full"] += 1);
    for (const sessionId of store.ownedBy(tenant, device)) {
      const live = host.load(sessionId);
      if (live === undefined || live.state.end !== null) continue;
      // A copy that stays behind, or may: its service comes again.
      const isOnTheMove = host.moving.has(sessionId) || live.route.isTentative === true;
      count(!isOnTheMove && store.topics.applyAll({ socketId: sessionId, tenant }, changes));
    }
    for (const socketId of plainStore.ownedBy(tenant, device)) count(store.topics.applyAll({ socketId, tenant }, changes));
    for (const relayed of relays.find(tenant, { device, topic: null })) count(relays.applyAll(relayed, changes));
    return sum;
  }

  /** To a plain socket: whether it was sent now. */
  #once(pushId: string, socketId: string, send: () => boolean): boolean {
    const { pushes } = this.#holders.host;
    if (pushes.has(pushId, socketId) || !send()) return false;
    pushes.note(pushId, socketId, Date.now());
    return true;
  }

  /** Null: there is no such session here, or it has this push. */
  #pushTo(sessionId: string, { payload, pushId }: PushRequest): "taken" | "full" | { readonly bytesMax: number } | null {
    const { host } = this.#holders;
    const live = host.load(sessionId);
    if (live === undefined || live.state.end !== null || live.state.closing !== null) return null;
    if (host.pushes.has(pushId, sessionId)) return null;
    // Unlike an endpoint's own socket, who pushes can be told to come back. Of two copies of a session on the move neither takes it.
    const isOnTheMove = host.moving.has(sessionId) || live.route.isTentative === true;
    if (isOnTheMove) return "full";
    const [bytes, bytesMax] = [payloadBytes(payload), pushBytesMax(live.state.windowBytes)];
    if (bytes > bytesMax) return { bytesMax };
    if (!host.canPush(live, bytes)) return "full";
    host.step(live, [{ kind: "push", payload }]);
    host.pushes.note(pushId, sessionId, Date.now());
    return "taken";
  }
}
