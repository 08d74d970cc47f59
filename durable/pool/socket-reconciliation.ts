// Sockets' slots have no end, and asking which of them live wakes the Shard objects that hold them. So a pool asks with a reason only:
// where the process that held the sockets is another one now, and where somebody is refused for slots that a Shard object may have
// lost. What else can go wrong is a debt on the Shard object's own disk (durable/shard/slot-keeper.ts).
import type { ObjectEnv } from "#durable/lib/env.ts";
import type { NamedSlot } from "#durable/lease/named-slots.ts";
import type { Outcome } from "#shared/errors/outcomes.ts";
import { shardObjectName } from "#shared/protocol/shard-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { Pool } from "./pool.ts";

/** What a slot that a dead socket has may be the reason of. */
const MAY_BE_LEAKED: ReadonlySet<string> = new Set<Outcome>(["rejected-capacity", "rejected-quota", "expired-in-queue"]);
/** Between two rounds for the sake of somebody who was refused. */
const ROUND_MS_MIN = 10 * SECOND_MS;
/** Whose slots are the same as when its Shard object and the pool last agreed is not asked again before. */
const AGREED_MS = 10 * MINUTE_MS;

interface SocketReconciliationInput {
  readonly env: Pick<ObjectEnv, "SHARD" | "VERSION">;
  /** The version under which the pool last asked every Shard object, on disk. */
  readonly store: { loadReconciled(): string | null; saveReconciled(version: string): void };
  /** Slots may have come back. */
  readonly onChanged: (nowMs: number) => void;
}

type Owner = readonly [owner: string, slots: readonly NamedSlot[]];

/** What a Shard object and the pool agreed on. */
interface Agreement {
  readonly generation: string;
  readonly atMs: number;
}

export class SocketReconciliation {
  readonly #pool: Pool;
  readonly #input: SocketReconciliationInput;
  /** Owner → its; lost with this instance: whoever is missing is asked, but not before there is a reason. */
  readonly #agreements = new Map<string, Agreement>();
  #isVersionNew = false;
  #isPressed = false;
  #suspectedAtMs = 0;

  constructor(pool: Pool, input: SocketReconciliationInput) {
    this.#pool = pool;
    this.#input = input;
  }

  /** The pool has read what is on its disk. */
  open(): void {
    this.#isVersionNew = this.#input.store.loadReconciled() !== this.#version;
    if (this.#pool.ledger.counts.durable === 0) this.#settle();
  }

  /** There is a reason to ask. */
  get isDue(): boolean {
    return this.#isVersionNew || this.#isPressed;
  }

  /** So it ended for somebody, who may have been refused for a slot that sockets have: whether to ask soon if they really do. */
  suspect(outcomes: readonly string[], nowMs: number): boolean {
    if (!outcomes.some((outcome) => MAY_BE_LEAKED.has(outcome))) return false;
    if (this.#pool.ledger.counts.durable === 0 || nowMs - this.#suspectedAtMs < ROUND_MS_MIN) return false;
    this.#suspectedAtMs = nowMs;
    this.#isPressed ||= this.#doubtful(nowMs).length > 0;
    return this.#isPressed;
  }

  /** Asks the Shard objects which of the sockets that hold slots here are alive, and frees the others' slots. */
  async run(nowMs: number): Promise<void> {
    const asked = this.#isVersionNew ? this.#owners() : this.#doubtful(nowMs);
    this.#isPressed = false;
    const answered = await Promise.all(asked.map(async ([owner, slots]) => this.#ask(owner, slots)));
    // One Shard object that does not answer leaves the pool unsure: it asks again at the next tick.
    if (answered.every(Boolean)) this.#settle();
  }

  #settle(): void {
    if (!this.#isVersionNew) return;
    this.#isVersionNew = false;
    this.#input.store.saveReconciled(this.#version);
  }

  async #ask(owner: string, slots: readonly NamedSlot[]): Promise<boolean> {
    const shardId = slots[0]?.shardId ?? "";
    const { env, onChanged } = this.#input;
    const name = shardObjectName(this.#pool.configuration.name, shardId);
    try {
      const askedAtMs = this.#pool.ledger.tick(Date.now());
      const live = new Set(await env.SHARD.get(env.SHARD.idFromName(name)).held(slots.map(({ slotId }) => slotId)));
      this.#pool.ledger.reconcile({ owner, live, askedAtMs: askedAtMs + 1 });
      this.#agreements.set(owner, { generation: generationOf(slots.filter(({ slotId }) => live.has(slotId))), atMs: Date.now() });
      onChanged(Date.now());
      return true;
    } catch (error) {
      console.warn(JSON.stringify({ level: "warn", event: "reconcile-failed", shardId, error: String(error) }));
      return false;
    }
  }

  /** Those whose slots are others than when they were last asked, or were asked long ago. */
  #doubtful(nowMs: number): readonly Owner[] {
    return this.#owners().filter(([owner, slots]) => {
      const agreed = this.#agreements.get(owner);
      return agreed === undefined || nowMs - agreed.atMs >= AGREED_MS || agreed.generation !== generationOf(slots);
    });
  }

  #owners(): readonly Owner[] {
    const sockets = this.#pool.ledger.named.filter(({ isDurable, expiresAtMs }) => isDurable && expiresAtMs === null);
    const owners = [...Map.groupBy(sockets, ({ owner }) => owner)];
    for (const owner of this.#agreements.keys()) if (!owners.some(([known]) => known === owner)) this.#agreements.delete(owner);
    return owners;
  }

  /** Empty where nobody says: then every start of the pool counts as the same. */
  get #version(): string {
    return this.#input.env.VERSION?.id ?? "";
  }
}

/** Another one with every slot that comes or goes: names are never used again. */
function generationOf(slots: readonly NamedSlot[]): string {
  const newestAtMs = slots.reduce((newest, { acquiredAtMs }) => Math.max(newest, acquiredAtMs), 0);
  return `${slots.length} ${newestAtMs}`;
}
