// The calls and the timer of a Shard object's byte credit. Nothing here runs while its devices are silent, and nothing for flows without limits.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { poolName, type RenewMessage } from "#shared/protocol/pool-rpc.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import type { PacedFlow } from "./pace/paced-flow.ts";
import { PaceStore } from "./pace-store.ts";
import { ShardLease } from "./pace/shard-lease.ts";

interface Shell {
  readonly pools: ObjectEnv["POOL"];
  readonly ctx: DurableObjectState;
  /** What messages that may go bring about is one turn. */
  readonly inTurn: (act: () => void) => void;
}

export class ShardPace {
  readonly #shell: Shell;
  readonly #store: PaceStore;
  readonly #lease = new ShardLease(crypto.randomUUID(), () => this.#lookSoon());
  #timer: ReturnType<typeof setTimeout> | null = null;
  #timerAtMs = Infinity;
  #isLooking = false;

  constructor(shell: Shell) {
    this.#shell = shell;
    this.#store = new PaceStore(shell.ctx.storage.sql);
  }

  /** After a start. */
  load(): void {
    for (const { service, pace } of this.#store.all()) this.#lease.note(service, pace);
  }

  /** A connection of the flow opens. */
  note({ service, pace }: { readonly service: string; readonly pace?: FlowPace }): void {
    if (pace !== undefined && this.#lease.note(service, pace)) this.#store.put({ service, pace });
  }

  /** Nothing of any flow here is limited, or counted. */
  get isOff(): boolean {
    return this.#lease.isEmpty;
  }

  /** Undefined: nothing of the flow is limited, or counted. */
  find(flow: string): PacedFlow | undefined {
    return this.#lease.find(flow);
  }

  /** A request for the flow's sockets took so long. */
  readonly spend = (flow: string, ms: number): void => {
    this.find(flow)?.spend(ms, Date.now());
  };

  /** When everything that came together has said what it needs. */
  #lookSoon(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    queueMicrotask(() => {
      this.#isLooking = false;
      this.#look();
    });
  }

  #look(): void {
    const nowMs = Date.now();
    this.#shell.inTurn(() => {
      const message = this.#lease.step(nowMs);
      if (message !== null) this.#shell.ctx.waitUntil(this.#renew(message));
    });
    this.#wait(nowMs);
  }

  async #renew(message: RenewMessage): Promise<void> {
    const { pools } = this.#shell;
    try {
      const answer = await pools.get(pools.idFromName(poolName(message.service))).renew(message);
      this.#shell.inTurn(() => this.#lease.apply(answer, Date.now()));
      // A later one has overtaken it: what it told was not counted.
      if (!answer.lease.ok && answer.lease.reason === "stale") this.#lease.failed(message, Date.now());
    } catch (error) {
      this.#lease.failed(message, Date.now());
      console.warn(
        JSON.stringify({ level: "warn", event: "shard-renewal-failed", service: message.service, error: String(error).slice(0, 500) }),
      );
    }
    this.#wait(Date.now());
  }

  #wait(nowMs: number): void {
    const atMs = this.#lease.nextAtMs(nowMs);
    // One that comes too early looks again: while messages pass the time moves on with each of them.
    if (atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, atMs - nowMs));
  }

  #onTimer(): void {
    this.#timer = null;
    this.#timerAtMs = Infinity;
    this.#look();
  }
}
