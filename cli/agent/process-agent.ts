// The book of units over real processes of this machine. What the book says is what should run: a sweep starts what is `starting`, asks
// for its health, and ends what is not in the book any more. So a lost message costs a quarter of a second, and nothing else.
import { randomInt } from "node:crypto";
import { SECOND_MS } from "#shared/units.ts";
import type { CapacityAnswer, CapacityOffer, CapacityOrder, CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { AwakeClock } from "./awake-clock.ts";
import { freePort, type PortRange } from "./free-port.ts";
import { ProcessHost } from "./process-host.ts";
import { isConnected } from "./connected.ts";
import { Owners } from "./owners.ts";
import { UnitBook } from "./unit-book.ts";

export interface ProcessAgentOptions {
  readonly offer: Omit<CapacityOffer, "availableCount">;
  readonly unitCountMax: number;
  /** Empty: every service. */
  readonly services: readonly string[];
  /** Program and arguments; {port}, {slots}, {service} and {unit} are filled in. */
  readonly command: readonly string[];
  /** 2xx there means ready. */
  readonly healthPath: string;
  readonly ports: PortRange;
  /** Waits so long before it starts a process: for demonstrations. */
  readonly startDelayMs: number;
  /** From its start until it must answer. */
  readonly readyMsMax: number;
  /** A process that has not answered for so long hangs. */
  readonly silenceMsMax: number;
  /** Units of a service that nobody has asked for for so long are stopped, once nobody is connected to them; Infinity: never. */
  readonly ownerMsMax: number;
  readonly recordFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: (line: string) => void;
}

interface Run {
  readonly unitId: string;
  port: number | null;
  /** Null: waits for its artificial delay. */
  startedAtMs: number | null;
  readonly orderedAtMs: number;
  answeredAtMs: number;
  probedAtMs: number;
  /** For connections, when nobody asks for it any more. */
  lookedAtMs: number;
  isProbed: boolean;
  isStopped: boolean;
}

const SWEEP_MS = 250;
/** A sweep that is later than this was kept from running. */
const AWAKE_STEP_MS = 4 * SWEEP_MS;
const PROBE_MS = 2 * SECOND_MS;
const PROBE_TIMEOUT_MS = 5 * SECOND_MS;

export class ProcessAgent {
  readonly #options: ProcessAgentOptions;
  readonly #book: UnitBook;
  readonly #host: ProcessHost;
  readonly #runs = new Map<string, Run>();
  readonly #owners = new Owners();
  readonly #clock = new AwakeClock(Date.now(), AWAKE_STEP_MS);
  readonly #sweeper: NodeJS.Timeout;
  #lastPort: number;

  constructor(options: ProcessAgentOptions) {
    this.#options = options;
    // Two agents on one machine seldom reach for the same port at the same time.
    this.#lastPort = randomInt(options.ports.first, options.ports.last + 1);
    this.#book = new UnitBook({ offers: [options.offer], unitCountMax: options.unitCountMax });
    this.#host = new ProcessHost({ recordFile: options.recordFile, onEnded: (unitId, how) => this.#ended(unitId, how) });
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  get all(): readonly CapacityUnit[] {
    return this.#book.all;
  }

  offers(): readonly CapacityOffer[] {
    return this.#book.offers(Date.now());
  }

  units(service: string): readonly CapacityUnit[] {
    this.#owners.heard(service, this.#now());
    return this.#book.units(service, Date.now());
  }

  reserve(order: CapacityOrder): CapacityAnswer<CapacityUnit> {
    const { services } = this.#options;
    if (services.length > 0 && !services.includes(order.service))
      return { ok: false, reason: "unknown-offer", detail: `nothing is sold to service ${order.service}, expected ${services.join(", ")}` };
    return this.#told(this.#book.reserve(order, Date.now()));
  }

  start(unitId: string): CapacityAnswer<CapacityUnit> {
    return this.#told(this.#book.start(unitId, Date.now()));
  }

  drain(unitId: string): CapacityAnswer<CapacityUnit> {
    return this.#told(this.#book.drain(unitId));
  }

  stop(unitId: string): CapacityAnswer<null> {
    if (this.#book.get(unitId) !== undefined) this.#options.log(`${unitId} stopped`);
    const answer = this.#book.stop(unitId);
    this.#sweep();
    return answer;
  }

  /** Ends every process. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await this.#host.close();
  }

  /** Acts on what was decided at once. */
  #told(answer: CapacityAnswer<CapacityUnit>): CapacityAnswer<CapacityUnit> {
    if (answer.ok) this.#options.log(`${answer.value.unitId} ${answer.value.state}`);
    if (answer.ok) this.#owners.heard(answer.value.service, this.#now());
    this.#sweep();
    return answer;
  }

  /** Of everything that takes too long: silence in which this process was stopped is its own. */
  #now(): number {
    return this.#clock.at(Date.now());
  }

  #sweep(): void {
    const nowMs = this.#now();
    for (const { unitId, state } of this.#book.all)
      if (state === "starting" && !this.#runs.has(unitId)) this.#runs.set(unitId, newRun(unitId, nowMs));
    for (const run of this.#runs.values()) this.#tend(run, this.#book.get(run.unitId), nowMs);
    this.#owners.keep(new Set(this.#book.all.map(({ service }) => service)));
    for (const unit of this.#book.all) this.#endForgotten(unit, nowMs);
  }

  /** Whoever ordered it has left for good, and nobody has stopped it. What still serves is left alone. */
  #endForgotten({ unitId, service }: CapacityUnit, nowMs: number): void {
    const { ownerMsMax, log } = this.#options;
    const silentMs = this.#owners.silentMs(service, nowMs);
    if (silentMs < ownerMsMax) return;
    const run = this.#runs.get(unitId);
    const port = run?.port ?? null;
    if (run !== undefined && port !== null) {
      if (nowMs - run.lookedAtMs < PROBE_MS) return;
      run.lookedAtMs = nowMs;
      if (isConnected(port) === true) return;
    }
    log(
      `${unitId} stopped: ${service} has not asked for its units for ${Math.round(silentMs / SECOND_MS)} s, and nobody is connected to it`,
    );
    this.#book.stop(unitId);
    // As if it had been told: the next sweep ends what is not in the book.
  }

  #tend(run: Run, unit: CapacityUnit | undefined, nowMs: number): void {
    if (unit === undefined || unit.state === "failed") return this.#stopRun(run);
    if (run.startedAtMs === null) {
      if (unit.state === "starting" && nowMs - run.orderedAtMs >= this.#options.startDelayMs) void this.#launch(run, unit);
      return;
    }
    if (unit.state === "starting" && nowMs - run.startedAtMs >= this.#options.readyMsMax)
      return this.#fail(run, `gave no 2xx at ${this.#options.healthPath} within ${this.#options.readyMsMax} ms`);
    if (unit.state !== "starting" && nowMs - run.answeredAtMs >= this.#options.silenceMsMax)
      return this.#fail(run, `has not answered at ${this.#options.healthPath} for ${this.#options.silenceMsMax} ms`);
    if (!run.isProbed && nowMs - run.probedAtMs >= (unit.state === "starting" ? SWEEP_MS : PROBE_MS)) void this.#probe(run, nowMs);
  }

  async #launch(run: Run, { unitId, service, slots }: CapacityUnit): Promise<void> {
    run.startedAtMs = this.#now();
    const { ports, command, environment } = this.#options;
    const port = await freePort(ports, this.#lastPort, (one) => [...this.#runs.values()].some((other) => other.port === one));
    if (port === null) return this.#fail(run, `has no port: all from ${ports.first} to ${ports.last} are taken`);
    // Stopped, or another took the port, while we looked.
    if (run.isStopped) return;
    if ([...this.#runs.values()].some((other) => other.port === port)) return void (run.startedAtMs = null);
    this.#lastPort = port;
    run.port = port;
    run.startedAtMs = this.#now();
    const values: Readonly<Record<string, string>> = { port: String(port), slots: String(slots), service, unit: unitId };
    const filled = command.map((part) => part.replaceAll(/\{(port|slots|service|unit)\}/g, (_all, name: string) => values[name] ?? ""));
    const defined = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined);
    this.#host.start(unitId, filled, { ...Object.fromEntries(defined), PORT: String(port) });
  }

  async #probe(run: Run, nowMs: number): Promise<void> {
    run.isProbed = true;
    run.probedAtMs = nowMs;
    const url = `http://127.0.0.1:${run.port}`;
    try {
      const response = await fetch(url + this.#options.healthPath, { redirect: "manual", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      await response.body?.cancel();
      if (response.ok && run.port !== null) this.#answered(run, url);
    } catch {
      // It does not answer, yet or any more: time will tell.
    } finally {
      run.isProbed = false;
    }
  }

  #answered(run: Run, url: string): void {
    run.answeredAtMs = this.#now();
    if (this.#book.get(run.unitId)?.state !== "starting") return;
    this.#book.becomeReady(run.unitId, url);
    this.#options.log(`${run.unitId} ready at ${url}`);
  }

  #fail(run: Run, why: string): void {
    this.#options.log(`${run.unitId} failed: ${why}`);
    this.#book.fail(run.unitId, why);
    this.#stopRun(run);
  }

  #stopRun(run: Run): void {
    if (run.isStopped) return;
    run.isStopped = true;
    if (run.port === null) this.#forget(run.unitId);
    else this.#host.stop(run.unitId);
  }

  #ended(unitId: string, how: string): void {
    const unit = this.#book.get(unitId);
    if (unit !== undefined && unit.state !== "failed") {
      this.#options.log(`${unitId} failed: the process ${how}`);
      this.#book.fail(unitId, `the process ${how}`);
    }
    this.#forget(unitId);
  }

  #forget(unitId: string): void {
    this.#runs.delete(unitId);
    this.#book.end(unitId);
  }
}

function newRun(unitId: string, nowMs: number): Run {
  return {
    unitId,
    port: null,
    startedAtMs: null,
    orderedAtMs: nowMs,
    answeredAtMs: nowMs,
    probedAtMs: 0,
    lookedAtMs: 0,
    isProbed: false,
    isStopped: false,
  };
}
