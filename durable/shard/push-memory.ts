import { MINUTE_MS } from "#shared/units.ts";

/** A push is asked of all shards within that, and asked again of those that had no room for it. */
const KEPT_MS = MINUTE_MS;
/** Sessions, over all pushes that are remembered; beyond it the oldest push is forgotten. */
const ENTRIES_MAX = 100_000;
const PUSHES_MAX = 256;

interface Push {
  readonly atMs: number;
  readonly sessions: Set<string>;
}

/**
 * Which sockets have which push, for as long as it may be on its way to other shards, or be asked again: a session that moves meanwhile
 * tells the shard that it goes to. In memory: after an eviction, which needs ten quiet seconds, a push that is asked again is another.
 */
export class PushMemory {
  readonly #pushes = new Map<string, Push>();
  #entries = 0;

  has(pushId: string, sessionId: string): boolean {
    return this.#pushes.get(pushId)?.sessions.has(sessionId) === true;
  }

  note(pushId: string, sessionId: string, nowMs: number): void {
    let push = this.#pushes.get(pushId);
    if (push === undefined) this.#pushes.set(pushId, (push = { atMs: nowMs, sessions: new Set() }));
    if (!push.sessions.has(sessionId)) this.#entries += 1;
    push.sessions.add(sessionId);
    this.#forgetOld(nowMs);
  }

  /** Of a session that moves. */
  of(sessionId: string, nowMs: number): readonly string[] {
    this.#forgetOld(nowMs);
    return [...this.#pushes].filter(([, { sessions }]) => sessions.has(sessionId)).map(([pushId]) => pushId);
  }

  #forgetOld(nowMs: number): void {
    for (const [pushId, { atMs, sessions }] of this.#pushes) {
      if (nowMs - atMs < KEPT_MS && this.#entries <= ENTRIES_MAX && this.#pushes.size <= PUSHES_MAX) return;
      this.#pushes.delete(pushId);
      this.#entries -= sessions.size;
    }
  }
}
