// The calls and the timer of a Shard object's byte credit, and its questions what holds. Nothing here runs while its devices are silent; of flows
// without limits nothing but a question a minute.
import type { ObjectEnv } from "#durable/lib/env.ts";
import type { PaceAnswer } from "#shared/protocol/pace-question.ts";
import { poolName, type RenewMessage } from "#shared/protocol/pool-rpc.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import type { Payload } from "#shared/resume/frames.ts";
import { askMsMaxOf } from "./ask-interval.ts";
import { PaceInquiry, type Inquiry } from "./pace/pace-inquiry.ts";
import type { PacedFlow } from "./pace/paced-flow.ts";
import { PaceStore } from "./pace-store.ts";
import { ShardLease } from "./pace/shard-lease.ts";
import { UntoldReports } from "./untold-reports.ts";

interface Shell {
  readonly env: ObjectEnv;
  readonly ctx: DurableObjectState;
  /** What messages that may go bring about is one turn. */
  readonly inTurn: (act: () => void) => void;
}

/** Whose message it is. */
export interface FlowOwner {
  readonly service: string;
  /** Empty: a plain socket's that is not in memory. */
  readonly flow: string;
}

export class ShardPace {
  readonly #shell: Shell;
  readonly #store: PaceStore;
  readonly #lease = new ShardLease(crypto.randomUUID(), () => this.#lookSoon());
  readonly #inquiry: PaceInquiry;
  #service = "";
  #versionKept = 0;
  readonly #untold: UntoldReports;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #timerAtMs = Infinity;
  #isLooking = false;

  constructor(shell: Shell) {
    this.#shell = shell;
    this.#store = new PaceStore(shell.ctx.storage.sql);
    this.#inquiry = new PaceInquiry({ askMsMax: askMsMaxOf(shell.env), random: Math.random });
    this.#untold = new UntoldReports(this.#store, (flow) => this.#lease.find(flow));
  }

  /** After a start. */
  load(): void {
    this.#versionKept = this.#store.version();
    let versionMin = Infinity;
    for (const { service, pace } of this.#store.all()) {
      this.#service = service;
      const version = Math.max(pace.version, this.#versionKept);
      if (this.#lease.note(service, { ...pace, version })) versionMin = Math.min(versionMin, version);
    }
    if (versionMin !== Infinity) this.#inquiry.know(versionMin);
    this.#untold.load();
  }

  /** A connection of the flow opens. */
  note({ service, pace }: { readonly service: string; readonly pace?: FlowPace }): void {
    this.#service = service;
    if (pace === undefined) return;
    // Of an isolate that is behind: what holds for the flow is known as of then.
    if (this.#take(pace) && pace.version < this.#versionKept) this.#keepVersion(pace.version);
    this.#hear(pace.version);
  }

  /** A message of the flow comes, to pass now or to wait: it may be time to ask what holds. */
  pass({ service, flow }: FlowOwner, payload: Payload | ArrayBuffer): void {
    if (service !== "") this.#service = service;
    const bytes = payload instanceof ArrayBuffer ? payload.byteLength : payload.length;
    if (this.#inquiry.pass(flow, bytes, Date.now())) this.#ask();
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
    if (this.#inquiry.spend(ms)) this.#ask();
    this.find(flow)?.spend(ms, Date.now());
  };

  /** Whether it is another than was known. */
  #take(pace: FlowPace): boolean {
    const isOther = this.#lease.note(this.#service, pace);
    if (isOther) this.#store.put({ service: this.#service, pace });
    return isOther;
  }

  #hear(version: number): void {
    if (this.#inquiry.hear(version, Date.now())) this.#ask();
  }

  #ask(): void {
    const inquiry = this.#inquiry.take(this.#lease.limited(), Date.now());
    if (inquiry !== null) this.#shell.ctx.waitUntil(this.#inquire(inquiry));
  }

  /** What fails changes nothing, and is asked again when it is time. */
  async #inquire({ version, flows: named }: Inquiry): Promise<void> {
    const { env, inTurn } = this.#shell;
    const unnamed = named.includes("") ? this.#store.plainFlows() : [];
    const flows = [...named.filter((flow) => flow !== ""), ...unnamed.map(({ flow }) => flow)];
    const service = this.#service || (unnamed[0]?.service ?? "");
    if (flows.length === 0) return;
    try {
      const answer = await env.POOL.get(env.POOL.idFromName(poolName(service))).paces({ service, configurationVersion: version, flows });
      // Of a newer one has been heard meanwhile.
      if (answer.version < this.#inquiry.version) return;
      this.#service = service;
      inTurn(() => this.#learn(flows, answer));
    } catch (error) {
      console.warn(JSON.stringify({ level: "warn", event: "limits-not-known", service, error: String(error).slice(0, 500) }));
    }
  }

  #learn(flows: readonly string[], { version, paces }: PaceAnswer): void {
    this.#inquiry.know(version);
    const of = new Map(paces.map((pace) => [pace.flow, pace]));
    for (const flow of flows) this.#take(of.get(flow) ?? { flow, version, bytes: null, isTimed: false });
    if (version === this.#versionKept || this.#lease.isEmpty) return;
    const asked = new Set(flows);
    // All that is limited here holds as that one has it, also for the next life.
    if ([...this.#lease.limited()].every((flow) => asked.has(flow))) this.#keepVersion(version);
  }

  #keepVersion(version: number): void {
    this.#versionKept = version;
    this.#store.putVersion(version);
  }

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
    const { POOL: pools } = this.#shell.env;
    this.#untold.sent(message.telemetry.flows);
    try {
      const answer = await pools.get(pools.idFromName(poolName(message.service))).renew(message);
      this.#shell.inTurn(() => this.#lease.apply(answer, Date.now()));
      // A later one has overtaken it: what it told was not counted.
      if (!answer.lease.ok && answer.lease.reason === "stale") this.#failed(message);
      else this.#untold.answered(message.telemetry.flows);
      this.#hear(answer.configurationVersion);
    } catch (error) {
      this.#failed(message);
      console.warn(
        JSON.stringify({ level: "warn", event: "shard-renewal-failed", service: message.service, error: String(error).slice(0, 500) }),
      );
    }
    this.#wait(Date.now());
  }

  #failed(message: RenewMessage): void {
    this.#lease.failed(message, Date.now());
    this.#untold.failed(message.telemetry.flows);
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
