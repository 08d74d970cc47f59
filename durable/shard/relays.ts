import type { Payload } from "#shared/resume/frames.ts";
import { TOPICS, type TopicChange } from "#shared/protocol/topics.ts";

/** A plain socket that is joined to one of the endpoint's: as long as this instance lives, and known to nothing but its memory. */
export interface Relayed {
  readonly relayId: string;
  readonly tenant: string;
  readonly device: string;
  readonly close: (code: number, reason: string) => void;
  /** False: it is closing. */
  readonly send: (payload: Payload) => boolean;
}

export class Relays {
  readonly #topics = new Map<Relayed, Set<string>>();

  get count(): number {
    return this.#topics.size;
  }

  add(relayed: Relayed): void {
    this.#topics.set(relayed, new Set());
  }

  drop(relayed: Relayed): void {
    this.#topics.delete(relayed);
  }

  closeAll(code: number, reason: string): void {
    for (const { close } of this.#topics.keys()) close(code, reason);
  }

  /** Of a tenant's topic; else of one of its devices, or of all. */
  find(tenant: string, { device, topic }: { readonly device: string | null; readonly topic: string | null }): readonly Relayed[] {
    return [...this.#topics]
      .filter(
        ([relayed, topics]) =>
          relayed.tenant === tenant && (topic === null ? device === null || relayed.device === device : topics.has(topic)),
      )
      .map(([relayed]) => relayed);
  }

  /** All or none; false: it would have more topics than a socket may. */
  applyAll(relayed: Relayed, changes: readonly TopicChange[]): boolean {
    const topics = new Set(this.#topics.get(relayed));
    for (const { kind, topic } of changes) {
      if (kind === "unsubscribe") topics.delete(topic);
      else topics.add(topic);
    }
    if (topics.size > TOPICS.perSocketMax) return false;
    this.#topics.set(relayed, topics);
    return true;
  }
}
