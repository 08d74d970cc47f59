// Sockets of several Shard objects, and bodies of isolates, that share one bandwidth: the ledger, the gate, the leases and the lanes as they run,
// in virtual time. Calls take time, are lost, late and repeated; objects are evicted with what waits in them; sockets come and go. Every
// message has a number, and its sender has it until it has arrived: as a session's device and a session's rows do.
import { LeaseLedger } from "#durable/lease/lease-ledger.ts";
import { flowLimitsOf } from "#durable/pool/flow-quotas.ts";
import { QuotaGate } from "#durable/pool/quota-gate.ts";
import type { Lane, Side } from "#durable/shard/pace/lane.ts";
import { ASK_MS_MAX, PaceInquiry } from "#durable/shard/pace/pace-inquiry.ts";
import { ShardLease } from "#durable/shard/pace/shard-lease.ts";
import { LeasedCredit } from "#gateway/lease/byte-credit.ts";
import { RenewalPace } from "#gateway/lease/renewal-pace.ts";
import { BYTE_UNIT, byteFlowOf } from "#shared/lease/byte-flow.ts";
import { FlowBytes } from "#shared/lease/flow-bytes.ts";
import { HeldLease } from "#shared/lease/held-lease.ts";
import type { RenewAnswer, RenewMessage } from "#shared/protocol/pool-rpc.ts";
import type { FlowPace } from "#shared/protocol/shard-rpc.ts";
import { EventClock } from "#test/support/event-clock.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const FLOW = "acme/gold";
const LANE = "https://a.example";
const WINDOW_COUNT_MAX = 64;
const PIECE_BYTES = 16 * 1_024;
/** A calm one. */
const CALL_MS = 5;
/** For what lingers, and for calls on their way. */
const SETTLED_MS = 5_000;
/** Until what is held has gone back, by calls that may be lost. */
const LINGER_MS_MAX = 20_000;
/** The time that it takes may be so many times that in which it is earned. */
const DRAIN_RATIO_MAX = 20;

/** Broken on purpose. */
export type Canary = "pays-nothing" | "forgets" | "overtakes" | "stays-awake" | "asks-nobody" | "asks-once" | "forgets-limits";

export interface SocketScenario {
  readonly bytesPerSecond: number;
  readonly objects: number;
  readonly socketsEach: number;
  /** Isolates with one body without end each. */
  readonly isolates?: number;
  readonly seconds: number;
  readonly bytesMax: number;
  /** Between two messages of one line; 0: as many as its window takes. */
  readonly gapMs?: number;
  /** From a call's arrival at the pool until its answer is here; else as long as the way there. */
  readonly answerMs?: number;
  readonly isStormy?: boolean;
  /** The limit holds from then on, and is lifted then, while the sockets are open; absent: it holds, and objects know it. */
  readonly limited?: { readonly fromMs: number; readonly toMs: number };
  readonly canary?: Canary;
}

export interface SocketResult {
  /** Messages' bytes that left, after the first five seconds. */
  readonly bytes: number;
  /** Of lines that were there in the end. */
  readonly messages: number;
  readonly perLine: readonly number[];
  /** The most that was paid beyond a burst and what was earned, over any interval in which all objects knew of the limit: 0 at the most. */
  readonly overshoot: number;
  /** Since the limit was added, and since it was lifted: how long some object did not know. */
  readonly unawareMs: number;
  readonly unawareOfEndMs: number;
  /** Of all objects: what holds. */
  readonly questions: number;
  /** Of all objects, for credit, from when all of them knew that the limit is lifted. */
  readonly callsOnceLifted: number;
  /** The most that was put aside at one object: less than a message. */
  readonly asideMax: number;
  readonly faults: readonly string[];
  readonly calls: number;
  /** In the last minute, in which nothing is said and nothing waits. */
  readonly callsInSilence: number;
  readonly evictions: number;
  /** What isolates' bodies took of all bytes. */
  readonly bodyBytes: number;
  readonly tokensLentInSilence: number;
}

/** One direction of one socket. */
interface Line {
  readonly name: number;
  readonly side: Side;
  lane: Lane | null;
  sent: number;
  unacknowledged: { readonly number: number; readonly bytes: number }[];
  received: number;
}

interface SimObject {
  lease: ShardLease;
  inquiry: PaceInquiry;
  /** On its disk. */
  stored: FlowPace | null;
  readonly lines: Line[];
  life: number;
  /** Of its only timer; Infinity: none is set. */
  timerAtMs: number;
}

export function runSockets(scenario: SocketScenario, seed: number): SocketResult {
  const {
    bytesPerSecond,
    objects: objectCount,
    socketsEach,
    isolates = 0,
    seconds,
    bytesMax,
    gapMs = 0,
    answerMs = CALL_MS,
    isStormy = false,
    limited,
    canary,
  } = scenario;
  const quota = { weight: 1, mode: "enforce" as const, bandwidthBytesPerSecond: bytesPerSecond };
  const rate = flowLimitsOf(quota).bandwidth;
  if (rate === null) throw new Error("there is a bandwidth");
  const clock = new EventClock(0);
  const random = seededRandom(seed);
  const policy = {
    capacity: 1_000,
    lanes: new Map([[LANE, 1_000]]),
    classes: new Map([["gold", { weight: 1, reserve: 0 }]]),
    flow: (name: string) => ({ className: "gold", weight: 1, slotsMax: Infinity, rate: name === byteFlowOf(FLOW) ? rate : null }),
    requestDurationMsMax: 1_000,
    holdersMax: 10_000,
    flowsPerHolderMax: 10,
  };
  let ledger = new LeaseLedger(policy, 0);
  const gate = new QuotaGate().over({ blockedForMs: () => 0 });
  const configure = (isLimited: boolean): void =>
    gate.configure({ quotas: isLimited ? { [FLOW]: quota } : {}, service: null, region: undefined } as never);
  configure(limited === undefined);
  if (limited !== undefined) {
    clock.after(limited.fromMs, () => configure(true));
    clock.after(limited.toMs, () => configure(false));
  }

  const faults: string[] = [];
  const endMs = seconds * 1_000;
  let [bytes, bodyBytes, lostAside, paidBefore, lowest, overshoot, asideMax] = [0, 0, 0, 0, 0, -Infinity, 0];
  let [gone, calls, evictions, lineCount, questions, callsOnceLifted] = [0, 0, 0, 0, 0, 0];
  let [unawareMs, unawareOfEndMs] = [0, 0];
  const paceAt = (nowMs: number): FlowPace => {
    const version = limited === undefined || nowMs < limited.fromMs ? 1 : nowMs < limited.toMs ? 2 : 3;
    return { flow: FLOW, version, bytes: limited === undefined || version === 2 ? "held" : null, isTimed: false };
  };
  const isHeldAt = ({ lease }: SimObject): boolean => lease.find(FLOW)?.pace.bytes === "held";
  const perLine: number[] = [];
  const objects: SimObject[] = [];
  const burst = rate.burst * BYTE_UNIT;

  /** After every event. */
  const check = (): void => {
    const nowMs = clock.wallMs;
    const asides = objects.map(({ lease }) => lease.find(FLOW)?.asideBytes ?? 0);
    const paid = gone + bodyBytes + lostAside + asides.reduce((sum, aside) => sum + aside, 0);
    const earned = (bytesPerSecond * nowMs) / 1_000;
    const holds = paceAt(nowMs).bytes === "held";
    if (!holds || !objects.every(isHeldAt)) {
      [lowest, paidBefore] = [paid - earned, paid];
      if (limited !== undefined && holds) unawareMs = nowMs - limited.fromMs;
      if (limited !== undefined && nowMs >= limited.toMs && objects.some(isHeldAt))
        [unawareOfEndMs, callsOnceLifted] = [nowMs - limited.toMs, 0];
      return;
    }
    lowest = Math.min(lowest, paidBefore - earned);
    overshoot = Math.max(overshoot, paid - earned - lowest - burst);
    paidBefore = paid;
    asideMax = Math.max(asideMax, ...asides);
    if (asides.some((aside) => aside >= bytesMax)) faults.push(`${nowMs}: a whole message was put aside`);
  };

  const arrive = (line: Line, number: number, size: number): void => {
    gone += size;
    if (clock.wallMs >= 5_000 && clock.wallMs < endMs) {
      bytes += size;
      perLine[line.name] = (perLine[line.name] ?? 0) + size;
    }
    // As a receiver of a session does: what it has it drops, and nothing may be left out.
    if (number <= line.received) return;
    if (number !== line.received + 1) faults.push(`${clock.wallMs}: line ${line.name} got ${number} after ${line.received}`);
    line.received = number;
    line.unacknowledged = line.unacknowledged.filter((one) => one.number > number);
  };
  const pass = (object: SimObject, line: Line, one: Line["unacknowledged"][number]): void => {
    if (object.inquiry.pass(FLOW, one.bytes, clock.wallMs)) ask(object);
    line.lane ??= object.lease.find(FLOW)?.lane(line.side) ?? null;
    if (canary === "pays-nothing") return arrive(line, one.number, one.bytes);
    if (canary === "overtakes" && random.below(8) === 0) line.lane = null;
    const lane = (line.lane ??= object.lease.find(FLOW)?.lane(line.side) ?? null);
    if (lane === null) return arrive(line, one.number, one.bytes);
    lane.send({ bytes: one.bytes, sequence: one.number, run: () => arrive(line, one.number, one.bytes) }, clock.wallMs);
  };
  /** As the object's shell does: what holds, by calls that are lost, repeated and late as well. */
  const ask = (object: SimObject): void => {
    const { life } = object;
    const taken = object.inquiry.take(object.lease.limited(), clock.wallMs);
    if (taken === null || canary === "asks-nobody" || (canary === "asks-once" && questions >= objectCount)) return;
    questions += 1;
    const fate = isStormy ? random.below(12) : 12;
    const [goesMs, comesMs] = isStormy ? [1 + random.below(40), 1 + random.below(fate === 3 ? 4_000 : 40)] : [CALL_MS, answerMs];
    clock.after(goesMs, () => {
      const answer = paceAt(clock.wallMs);
      if (fate <= 2) return;
      clock.after(comesMs, () => {
        if (object.life !== life || answer.version < object.inquiry.version) return;
        object.inquiry.know(answer.version);
        if (object.lease.note("echo", answer)) object.stored = answer;
        check();
      });
    });
  };

  /** As the object's shell does: what is due, the call, its answer, the timer. */
  const look = (object: SimObject): void => {
    const { lease, life } = object;
    const message = lease.step(clock.wallMs);
    check();
    if (message !== null) call(object, message);
    const atMs = lease.nextAtMs(clock.wallMs);
    if (atMs >= object.timerAtMs) return;
    object.timerAtMs = atMs;
    clock.after(Math.max(0, atMs - clock.wallMs), () => {
      if (object.life !== life || object.timerAtMs !== atMs) return;
      object.timerAtMs = Infinity;
      look(object);
    });
  };
  const answerOf = (message: RenewMessage): RenewAnswer => {
    for (const told of message.telemetry.flows) gate.observe(told, { running: 0, waiting: 0, nowMs: clock.wallMs });
    const lease = ledger.renew(message.lease, clock.wallMs);
    const names = message.lease.flows.map(({ flow }) => flow);
    return {
      lease,
      table: null,
      sheds: [],
      left: gate.leftOf(names, { ledger, nowMs: clock.wallMs }),
      isContended: false,
      configurationVersion: paceAt(clock.wallMs).version,
    };
  };
  const call = (object: SimObject, message: RenewMessage): void => {
    const { lease, life } = object;
    calls += 1;
    callsOnceLifted += 1;
    const fate = isStormy ? random.below(12) : 12;
    const [goesMs, comesMs] = isStormy ? [1 + random.below(40), 1 + random.below(fate === 3 ? 4_000 : 40)] : [CALL_MS, answerMs];
    const then = (run: () => void): void => {
      if (object.life === life) run();
      check();
    };
    clock.after(goesMs, () => {
      const answer = fate === 0 ? null : answerOf(message);
      check();
      if (fate === 1) answerOf(message);
      // Neither an answer nor word that there is none.
      if (fate === 2) return;
      clock.after(comesMs, () =>
        then(() => {
          if (answer === null || fate === 4) lease.failed(message, clock.wallMs);
          else lease.apply(answer, clock.wallMs);
          if (answer !== null && object.inquiry.hear(answer.configurationVersion, clock.wallMs)) ask(object);
          look(object);
        }),
      );
    });
  };

  const start = (object: SimObject): void => {
    object.life += 1;
    object.timerAtMs = Infinity;
    const { life } = object;
    object.lease = new ShardLease(`s${objects.indexOf(object)}-${life}`, () => {
      if (object.life === life) clock.after(0, () => void (object.life === life && look(object)));
    });
    object.inquiry = new PaceInquiry({ askMsMax: ASK_MS_MAX, random: () => random.below(1_000) / 1_000 });
    if (canary === "forgets-limits") object.stored = null;
    const pace = object.stored ?? paceAt(0);
    object.lease.note("echo", pace);
    if (object.stored !== null) object.inquiry.know(pace.version);
    for (const line of object.lines) {
      line.lane = null;
      if (canary === "forgets") line.unacknowledged = line.unacknowledged.slice(1);
      for (const one of line.unacknowledged) pass(object, line, one);
    }
    if (canary === "stays-awake") {
      const again = (): void => {
        calls += 1;
        if (object.life === life) clock.after(1_000, again);
      };
      again();
    }
  };
  const openLine = (side: Side): Line => {
    perLine.push(0);
    return { name: (lineCount += 1) - 1, side, lane: null, sent: 0, unacknowledged: [], received: 0 };
  };
  const talk = (object: SimObject, index: number): void => {
    const line = object.lines[index];
    if (line === undefined || clock.wallMs >= endMs) return;
    const isElephant = bytesMax > 4_096 && line.name % 3 === 0;
    for (let count = 0; count < WINDOW_COUNT_MAX && line.unacknowledged.length < WINDOW_COUNT_MAX; count += 1) {
      const one = { number: (line.sent += 1), bytes: 1 + random.below(isElephant ? bytesMax : Math.min(bytesMax, 2_000)) };
      line.unacknowledged.push(one);
      pass(object, line, one);
      check();
      if (gapMs > 0) break;
    }
    clock.after(gapMs > 0 ? random.below(2 * gapMs) : 20, () => talk(object, index));
  };

  for (let index = 0; index < objectCount; index += 1) {
    const lines = Array.from({ length: 2 * socketsEach }, (_, at) => openLine(at % 2 === 0 ? "device" : "endpoint"));
    const inquiry = new PaceInquiry({ askMsMax: ASK_MS_MAX, random: () => 0 });
    const object: SimObject = { lease: new ShardLease("", () => {}), inquiry, stored: null, lines, life: 0, timerAtMs: Infinity };
    objects.push(object);
    start(object);
    for (let at = 0; at < lines.length; at += 1) talk(object, at);
  }
  for (let isolate = 0; isolate < isolates; isolate += 1) runIsolate(isolate);

  function runIsolate(isolate: number): void {
    const held = new HeldLease(`i${isolate}`);
    const credit = new FlowBytes(held, byteFlowOf(FLOW));
    const pace = new RenewalPace();
    let renewedAtMs = -1_000;
    const renewIfDue = (nowMs: number): void => {
      if (!pace.isDue(nowMs)) return;
      const tokensWant = credit.want(nowMs - renewedAtMs, nowMs);
      renewedAtMs = nowMs;
      pace.sent(nowMs);
      const request = held.request({ flows: [{ flow: byteFlowOf(FLOW), want: 0, tokensWant }], lanes: [] }, nowMs);
      clock.after(CALL_MS, () => {
        const answer = ledger.renew(request, clock.wallMs);
        clock.after(CALL_MS, () => {
          held.apply(answer, clock.wallMs);
          pace.answered(answer.renewAfterMs);
        });
      });
    };
    const body = new LeasedCredit({ bytes: credit, pace, renewIfDue, now: () => clock.wallMs });
    const pump = (): void => {
      if (clock.wallMs >= endMs) return;
      const taken = body.take(PIECE_BYTES);
      bodyBytes += taken;
      check();
      clock.after(taken > 0 ? random.next() : Math.min(1_000, body.waitMs), pump);
    };
    pump();
  }

  const storm = (): void => {
    if (clock.wallMs >= endMs) return;
    const object = objects[random.below(objects.length)];
    if (object !== undefined && random.below(3) === 0) {
      evictions += 1;
      lostAside += object.lease.find(FLOW)?.asideBytes ?? 0;
      start(object);
    } else if (object !== undefined) {
      // A socket goes, and another one comes.
      const at = random.below(object.lines.length);
      object.lines[at]?.lane?.clear();
      object.lines[at] = openLine(object.lines[at]?.side ?? "device");
    }
    // The pool's object starts anew, from its rows.
    if (random.below(6) === 0) ledger = LeaseLedger.fromRows(policy, ledger.toRows(), clock.wallMs);
    check();
    clock.after(300 + random.below(1_500), storm);
  };
  if (isStormy) clock.after(3_000, storm);
  const tick = (): void => {
    ledger.tick(clock.wallMs);
    clock.after(1_000, tick);
  };
  tick();
  clock.until(endMs + SETTLED_MS);
  // What waits still goes, however long it takes: of calls that are lost or late each costs time in which nothing is asked for.
  const waitingBytes = (): number =>
    objects.flatMap(({ lines }) => lines).reduce((sum, line) => sum + line.unacknowledged.reduce((of, one) => of + one.bytes, 0), 0);
  const drainMsMax = ((isStormy || answerMs > CALL_MS ? DRAIN_RATIO_MAX : 2) * waitingBytes() * 1_000) / bytesPerSecond + SETTLED_MS;
  const drainEndMs = clock.wallMs + drainMsMax;
  while (waitingBytes() > 0 && clock.wallMs < drainEndMs) clock.until(clock.wallMs + SETTLED_MS);
  clock.until(clock.wallMs + LINGER_MS_MAX);
  const callsAt = calls;
  clock.until(clock.wallMs + 60_000);
  for (const line of objects.flatMap(({ lines }) => lines))
    if (line.received !== line.sent) faults.push(`line ${line.name} sent ${line.sent} and ${line.received} arrived`);
  for (const object of objects) if (object.lease.nextAtMs(clock.wallMs) !== Infinity) faults.push("a silent object has something to do");
  const tokensLentInSilence = ledger.flows.totals.tokensOutOf(byteFlowOf(FLOW));
  const messages = objects.flatMap(({ lines }) => lines).reduce((sum, { sent }) => sum + sent, 0);
  return {
    bytes,
    messages,
    perLine,
    overshoot,
    unawareMs,
    unawareOfEndMs,
    questions,
    callsOnceLifted: limited === undefined ? 0 : callsOnceLifted,
    asideMax,
    faults,
    calls,
    callsInSilence: calls - callsAt,
    evictions,
    bodyBytes,
    tokensLentInSilence,
  };
}
