import { describe, expect, it } from "vitest";
import { Outbox, type ExchangeCall, type Heard } from "#gateway/lease/outbox.ts";
import { refuse } from "#shared/errors/refusal.ts";
import type { SlotVerdict } from "#shared/protocol/exchange.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const FLOW = "acme/gold";
const SHED = refuse("rejected-capacity", "The queue is too long.");
const LOST = new Error("Network connection lost.");

const grantOf = (slotId: string, askedAtMs = 0): SlotVerdict => ({
  ok: true,
  slot: { slotId, shardId: "s-1", endpointUrl: "https://e.example", waitedMs: 0, lifeMs: 2_000 },
  slotId,
  askedAtMs,
});

const answerOf = (verdicts: readonly SlotVerdict[], poolLife = "one") => ({ verdicts, poolLife });

/** An outbox, and what each that asked has heard, in turn. */
class Isolate {
  readonly outbox = new Outbox();
  readonly heard: { readonly slotId: string; readonly heard: Heard }[] = [];

  ask(slotId: string, { flow = FLOW, urgency = 3, waitsUntilMs = 5_000 } = {}): void {
    const tell = (heard: Heard): unknown => this.heard.push({ slotId, heard });
    this.outbox.ask({ ask: { slotId, flow, urgency, affinityKey: null }, waitsUntilMs, tell });
  }

  /** The call that is due now. */
  call(nowMs: number): ExchangeCall {
    const call = this.outbox.take(nowMs);
    if (call === null) throw new Error(`no call is due at ${nowMs} ms`);
    return call;
  }

  /** One that waits at the pool, and the call that stands there. */
  static waiting(slotId = "r-1", nowMs = 0): { readonly isolate: Isolate; readonly standing: ExchangeCall } {
    const isolate = new Isolate();
    isolate.ask(slotId);
    return { isolate, standing: isolate.call(nowMs) };
  }

  get told(): readonly string[] {
    return this.heard.map(({ slotId }) => slotId);
  }
}

const askedIn = ({ asks }: ExchangeCall): readonly string[] => asks.map(({ slotId }) => slotId);

describe("who has to ask", () => {
  it("asks at once where nothing was said just before, with how long it may wait", () => {
    const isolate = new Isolate();
    isolate.ask("r-1", { waitsUntilMs: 1_500 });
    expect(isolate.outbox.seeToInMs(1_000)).toBe(0);
    expect(isolate.call(1_000).asks).toEqual([
      { slotId: "r-1", flow: FLOW, urgency: 3, affinityKey: null, askedAtMs: 1_000, waitMsMax: 500 },
    ]);
    expect(isolate.outbox.awaits("r-1")).toBe(true);
  });

  it("may wait no time at all where its time is up", () => {
    const isolate = new Isolate();
    isolate.ask("r-1", { waitsUntilMs: 900 });
    expect(isolate.call(1_000).asks).toMatchObject([{ waitMsMax: 0 }]);
  });

  it("asks with all who come within two milliseconds of a call, and one of them sees to that", () => {
    const { isolate } = Isolate.waiting("r-1", 1_000);
    isolate.ask("r-2");
    expect(isolate.outbox.seeToInMs(1_000)).toBe(2);
    isolate.ask("r-3");
    expect(isolate.outbox.seeToInMs(1_001)).toBeNull();
    expect(isolate.outbox.take(1_001)).toBeNull();
    expect(askedIn(isolate.call(1_002))).toEqual(["r-2", "r-3"]);
    expect(isolate.outbox.take(1_004)).toBeNull();
  });

  it("waits for an answer where eight calls are on the way, and goes with the next", () => {
    const { isolate, standing } = Isolate.waiting();
    for (let call = 2; call <= 8; call += 1) {
      isolate.ask(`r-${call}`);
      isolate.call(2 * call);
    }
    isolate.ask("r-9");
    expect(isolate.outbox.seeToInMs(50)).toBeNull();
    expect(isolate.outbox.take(50)).toBeNull();
    isolate.outbox.answered(standing, answerOf([]));
    expect(isolate.outbox.seeToInMs(50)).toBe(0);
    expect(askedIn(isolate.call(50))).toEqual(["r-9"]);
  });

  it("is seen to by another where whoever was to do it has not come for fifty milliseconds", () => {
    const { isolate } = Isolate.waiting();
    isolate.ask("r-2");
    expect(isolate.outbox.seeToInMs(0)).toBe(2);
    expect(isolate.outbox.seeToInMs(51)).toBeNull();
    expect(isolate.outbox.seeToInMs(52)).toBe(0);
    expect(askedIn(isolate.call(52))).toEqual(["r-2"]);
  });

  it("goes with the next call where one has as many as it may", () => {
    const isolate = new Isolate();
    for (let index = 0; index < 1_030; index += 1) isolate.ask(`r-${index}`);
    expect(isolate.call(0).asks).toHaveLength(1_024);
    expect(isolate.outbox.seeToInMs(0)).toBe(2);
    expect(askedIn(isolate.call(2))).toEqual(Array.from({ length: 6 }, (_, index) => `r-${1_024 + index}`));
  });

  it("hears the pool's word to others of its flow and of no greater urgency, and only before it has asked", () => {
    const { isolate } = Isolate.waiting("asked");
    isolate.ask("urgent", { urgency: 2 });
    isolate.ask("same");
    isolate.ask("later", { urgency: 7 });
    isolate.ask("other", { flow: "acme/bronze" });
    expect(isolate.outbox.refuse({ flow: FLOW, urgencyFrom: 3 }, SHED, 1)).toBe(2);
    expect(isolate.heard).toEqual(["same", "later"].map((slotId) => ({ slotId, heard: { verdict: { ...SHED, slotId, askedAtMs: 1 } } })));
    const next = isolate.call(2);
    expect(askedIn(next)).toEqual(["urgent", "other"]);
    expect(next.cancelled).toEqual([]);
  });
});

describe("while anybody waits", () => {
  it("one call stands: another is due after an answer that told somebody else, and none beside it", () => {
    const isolate = new Isolate();
    for (const slotId of ["r-1", "r-2"]) isolate.ask(slotId);
    const first = isolate.call(0);
    expect(isolate.outbox.seeToInMs(100)).toBeNull();
    isolate.outbox.answered(first, answerOf([grantOf("r-1")]));
    expect(isolate.told).toEqual(["r-1"]);
    expect(isolate.outbox.seeToInMs(100)).toBe(0);
    expect(isolate.call(100)).toMatchObject({ asks: [], returned: [], cancelled: [] });
    expect(isolate.outbox.seeToInMs(200)).toBeNull();
  });

  it("each call says its number, and the oldest whose answer is waited for", () => {
    const { isolate, standing } = Isolate.waiting();
    expect(standing).toMatchObject({ number: 1, countsFrom: 1 });
    isolate.ask("r-2");
    expect(isolate.call(2)).toMatchObject({ number: 2, countsFrom: 1 });
    isolate.ask("r-3");
    isolate.outbox.failed(standing, { error: LOST, mayRepeat: true });
    const third = isolate.call(4);
    expect(third).toMatchObject({ number: 3, countsFrom: 2 });
    isolate.ask("r-4");
    isolate.outbox.answered(third, answerOf([]));
    expect(isolate.call(6)).toMatchObject({ number: 4, countsFrom: 2 });
  });

  it("none is due once all were told", () => {
    const { isolate, standing } = Isolate.waiting();
    isolate.outbox.answered(standing, answerOf([grantOf("r-1")]));
    expect(isolate.outbox.isAwaiting).toBe(false);
    expect(isolate.outbox.seeToInMs(100)).toBeNull();
    expect(isolate.outbox.take(100)).toBeNull();
  });

  it("all ask again where the last call on the way brings nothing: the pool has begun anew, and knows of nobody", () => {
    const { isolate, standing } = Isolate.waiting();
    isolate.ask("r-2");
    const next = isolate.call(2);
    // The pool answers the older one because it has the newer.
    isolate.outbox.answered(standing, answerOf([]));
    expect(isolate.outbox.seeToInMs(10)).toBeNull();
    isolate.outbox.answered(next, answerOf([]));
    expect(askedIn(isolate.call(10))).toEqual(["r-1", "r-2"]);
  });

  it("a call without an answer for a second is given up, and all ask again", () => {
    const { isolate, standing } = Isolate.waiting();
    isolate.ask("r-2");
    isolate.call(2);
    expect(isolate.outbox.seeToInMs(1_000)).toBeNull();
    expect(isolate.outbox.seeToInMs(1_001)).toBe(0);
    const again = isolate.call(1_001);
    expect(askedIn(again)).toEqual(["r-1", "r-2"]);
    expect(again).toMatchObject({ number: 3, countsFrom: 2 });
    // It stood there all the time.
    isolate.outbox.answered(standing, answerOf([grantOf("r-1")]));
    expect(isolate.told).toEqual(["r-1"]);
  });
});

describe("a slot by name that is free", () => {
  const giveBack = (outbox: Outbox, slotId: string, nowMs: number): void => outbox.giveBack(slotId, { isAwaited: false, nowMs });

  it("goes after ten milliseconds where nobody waits for it, with all that came meanwhile", () => {
    const { outbox } = new Isolate();
    giveBack(outbox, "n-1", 100);
    expect(outbox.seeToInMs(100)).toBe(10);
    giveBack(outbox, "n-2", 109);
    expect(outbox.seeToInMs(109)).toBeNull();
    expect(outbox.take(109)).toBeNull();
    expect(outbox.take(110)?.returned).toEqual(["n-1", "n-2"]);
    expect(outbox.seeToInMs(1_000)).toBeNull();
  });

  it("rides along with whoever asks meanwhile, at once", () => {
    const isolate = new Isolate();
    giveBack(isolate.outbox, "n-1", 100);
    expect(isolate.outbox.seeToInMs(100)).toBe(10);
    isolate.ask("r-1");
    expect(isolate.outbox.seeToInMs(101)).toBe(0);
    expect(isolate.call(101)).toMatchObject({ asks: [{ slotId: "r-1" }], returned: ["n-1"] });
    expect(isolate.outbox.take(110)).toBeNull();
  });

  it("goes at once where somebody may wait for it, here or elsewhere, a millisecond after the last call", () => {
    const elsewhere = new Isolate();
    elsewhere.outbox.giveBack("n-1", { isAwaited: true, nowMs: 100 });
    expect(elsewhere.outbox.seeToInMs(100)).toBe(0);
    const { isolate } = Isolate.waiting("r-1", 100);
    giveBack(isolate.outbox, "n-1", 100);
    expect(isolate.outbox.seeToInMs(100)).toBe(1);
    expect(isolate.call(101).returned).toEqual(["n-1"]);
  });

  it("is left to end by itself beyond 4,096 of them", () => {
    const { outbox } = new Isolate();
    for (let index = 0; index < 5_000; index += 1) giveBack(outbox, `n-${index}`, 0);
    expect(outbox.take(10)?.returned).toHaveLength(4_096);
    expect(outbox.take(20)).toBeNull();
  });
});

describe("who goes away", () => {
  it("is cancelled at the pool, and hears nothing any more", () => {
    const { isolate, standing } = Isolate.waiting();
    isolate.outbox.cancel("r-1");
    expect(isolate.outbox.seeToInMs(1)).toBe(1);
    expect(isolate.call(2)).toMatchObject({ asks: [], cancelled: ["r-1"] });
    isolate.outbox.answered(standing, answerOf([grantOf("r-1")]));
    expect(isolate.heard).toEqual([]);
    // The cancellation frees what was granted.
    expect(isolate.outbox.take(100)).toBeNull();
  });

  it("before it has asked, leaves nothing to be said", () => {
    const { isolate } = Isolate.waiting();
    isolate.ask("r-2");
    isolate.outbox.cancel("r-2");
    expect(isolate.outbox.take(100)).toBeNull();
  });

  it("twice, or after it was told, is cancelled once, or not at all", () => {
    const { isolate, standing } = Isolate.waiting();
    isolate.outbox.answered(standing, answerOf([grantOf("r-1")]));
    isolate.outbox.cancel("r-1");
    expect(isolate.outbox.take(10)).toBeNull();
    isolate.ask("r-2");
    isolate.call(20);
    for (let count = 0; count < 2; count += 1) isolate.outbox.cancel("r-2");
    expect(isolate.call(30).cancelled).toEqual(["r-2"]);
  });

  it("is cancelled in a crowd of at most 4,096", () => {
    const isolate = new Isolate();
    const names = Array.from({ length: 5_000 }, (_, index) => `r-${index}`);
    for (const slotId of names) isolate.ask(slotId);
    for (let nowMs = 0; nowMs < 10; nowMs += 2) isolate.outbox.answered(isolate.call(nowMs), answerOf([]));
    for (const slotId of names) isolate.outbox.cancel(slotId);
    expect(isolate.call(100).cancelled).toHaveLength(4_096);
    expect(isolate.outbox.isAwaiting).toBe(false);
  });
});

it("a second verdict for one that was told is dropped, and its slot not returned: its request may run", () => {
  const { isolate, standing } = Isolate.waiting();
  expect(isolate.outbox.seeToInMs(1_001)).toBe(0);
  const again = isolate.call(1_001);
  isolate.outbox.answered(standing, answerOf([grantOf("r-1")]));
  isolate.outbox.answered(again, answerOf([grantOf("r-1", 1_001)]));
  expect(isolate.told).toEqual(["r-1"]);
  expect(isolate.outbox.take(5_000)).toBeNull();
});

describe("a call that fails", () => {
  it("is made again with all that was in it, and with whoever else waits", () => {
    const { isolate, standing } = Isolate.waiting();
    isolate.ask("gone");
    isolate.outbox.giveBack("n-1", { isAwaited: false, nowMs: 1 });
    const asking = isolate.call(2);
    isolate.outbox.cancel("gone");
    isolate.outbox.answered(standing, answerOf([]));
    const failing = isolate.call(4);
    expect(failing.cancelled).toEqual(["gone"]);
    for (const call of [asking, failing]) isolate.outbox.failed(call, { error: LOST, mayRepeat: true });
    expect(isolate.outbox.seeToInMs(10)).toBe(0);
    expect(isolate.call(10)).toMatchObject({ asks: [{ slotId: "r-1" }], returned: ["n-1"], cancelled: ["gone"] });
    expect(isolate.heard).toEqual([]);
  });

  it("for the third time is the end for those who were in it each time, and they are cancelled", () => {
    const { isolate, standing } = Isolate.waiting();
    isolate.outbox.failed(standing, { error: LOST, mayRepeat: true });
    isolate.outbox.failed(isolate.call(10), { error: LOST, mayRepeat: true });
    isolate.ask("r-2");
    isolate.outbox.failed(isolate.call(20), { error: LOST, mayRepeat: true });
    expect(isolate.heard).toEqual([{ slotId: "r-1", heard: { error: LOST } }]);
    expect(isolate.call(30)).toMatchObject({ asks: [{ slotId: "r-2" }], cancelled: ["r-1"] });
  });

  it("and may not be repeated is the end for those in it at once; the others ask again", () => {
    const { isolate } = Isolate.waiting();
    isolate.ask("r-2");
    isolate.outbox.failed(isolate.call(2), { error: LOST, mayRepeat: false });
    expect(isolate.heard).toEqual([{ slotId: "r-2", heard: { error: LOST } }]);
    expect(isolate.call(4)).toMatchObject({ asks: [{ slotId: "r-1" }], cancelled: ["r-2"] });
  });

  it("says nothing to one that was told meanwhile", () => {
    const { isolate, standing } = Isolate.waiting();
    expect(isolate.outbox.seeToInMs(1_001)).toBe(0);
    const again = isolate.call(1_001);
    isolate.outbox.answered(standing, answerOf([grantOf("r-1")]));
    isolate.outbox.failed(again, { error: LOST, mayRepeat: false });
    expect(isolate.told).toEqual(["r-1"]);
    expect(isolate.outbox.take(2_000)).toBeNull();
  });
});

describe("a clock that is set back", () => {
  it("holds nobody up who asks", () => {
    const { isolate, standing } = Isolate.waiting("r-1", 3_600_000);
    isolate.outbox.answered(standing, answerOf([grantOf("r-1")]));
    isolate.ask("r-2");
    const dueInMs = isolate.outbox.seeToInMs(1_000) ?? Infinity;
    expect(dueInMs).toBeLessThanOrEqual(10);
    expect(askedIn(isolate.call(1_000 + dueInMs))).toEqual(["r-2"]);
  });

  it("holds no name up, though somebody was to see to it by the old time", () => {
    const { outbox } = new Isolate();
    outbox.giveBack("n-1", { isAwaited: false, nowMs: 3_600_000 });
    expect(outbox.seeToInMs(3_600_000)).toBe(10);
    const dueInMs = outbox.seeToInMs(1_000) ?? Infinity;
    expect(dueInMs).toBeLessThanOrEqual(10);
    expect(outbox.take(1_000 + dueInMs)?.returned).toEqual(["n-1"]);
  });

  it("leaves nobody waiting for a call that was sent by the old time", () => {
    const { isolate } = Isolate.waiting("r-1", 3_600_000);
    const dueInMs = isolate.outbox.seeToInMs(1_000) ?? Infinity;
    expect(dueInMs).toBeLessThanOrEqual(10);
    expect(askedIn(isolate.call(1_000 + dueInMs))).toEqual(["r-1"]);
  });
});

const SEEDS = 200;
const STEPS = 400;

/** A pool and a network that do anything: answer late, twice, in part or not at all, and a clock that jumps. */
class Chaos {
  readonly isolate = new Isolate();
  readonly #random;
  readonly #onTheWay: ExchangeCall[] = [];
  readonly #asked = new Set<string>();
  readonly #cancelled = new Set<string>();
  #nowMs = 1_000_000;
  #count = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  run(): void {
    for (let step = 0; step < STEPS; step += 1) this.#step();
    // Then all goes well: so many turns bring each its word.
    for (let turn = 0; turn < 20 && this.isolate.outbox.isAwaiting; turn += 1) {
      this.#nowMs += 1_001;
      this.#take();
      for (const call of this.#onTheWay.splice(0)) this.#answer(call, 1);
    }
  }

  /** In what it is not as it should be; none. */
  get faults(): readonly string[] {
    const { told } = this.isolate;
    const count = new Map<string, number>();
    for (const slotId of told) count.set(slotId, (count.get(slotId) ?? 0) + 1);
    return [...this.#asked].filter((slotId) => (count.get(slotId) ?? 0) !== (this.#cancelled.has(slotId) ? 0 : 1));
  }

  #step(): void {
    const { outbox } = this.isolate;
    const random = this.#random;
    const which = random.below(20);
    if (which < 6) this.#ask();
    else if (which < 7) this.#cancel();
    else if (which < 8) outbox.giveBack(`n-${this.#count}`, { isAwaited: random.below(2) === 0, nowMs: this.#nowMs });
    else if (which < 12) this.#nowMs += random.below(8);
    else if (which < 13) this.#nowMs += random.below(2_000) - 1_000;
    else if (which < 16) this.#take();
    else this.#end();
  }

  #ask(): void {
    this.#count += 1;
    const slotId = `r-${this.#count}`;
    this.#asked.add(slotId);
    this.isolate.ask(slotId, { waitsUntilMs: this.#nowMs + 1_000 });
  }

  #cancel(): void {
    const slotId = [...this.#asked][this.#random.below(Math.max(1, this.#asked.size))];
    if (slotId === undefined || !this.isolate.outbox.awaits(slotId)) return;
    this.#cancelled.add(slotId);
    this.isolate.outbox.cancel(slotId);
  }

  #take(): void {
    const { outbox } = this.isolate;
    const dueInMs = outbox.seeToInMs(this.#nowMs);
    if (dueInMs !== null) this.#nowMs += dueInMs;
    const call = outbox.take(this.#nowMs);
    if (call !== null) this.#onTheWay.push(call);
  }

  #end(): void {
    const random = this.#random;
    const [call] = this.#onTheWay.splice(random.below(Math.max(1, this.#onTheWay.length)), 1);
    if (call === undefined) return;
    const how = random.below(8);
    // Lost with its request's context.
    if (how === 0) return;
    if (how === 1) this.isolate.outbox.failed(call, { error: LOST, mayRepeat: random.below(4) > 0 });
    else this.#answer(call, 0.7);
  }

  #answer(call: ExchangeCall, part: number): void {
    const told = call.asks.filter(() => this.#random.next() < part);
    const strangers = ["r-1", "n-1", "never"].filter(() => this.#random.below(8) === 0 && part < 1);
    const verdicts = [...told, ...strangers.map((slotId) => ({ slotId, askedAtMs: 0 }))];
    this.isolate.outbox.answered(call, answerOf(verdicts.map(({ slotId, askedAtMs }) => grantOf(slotId, askedAtMs))));
  }
}

it(`whatever pool, network and clock do, each that waits is told once, and none that went away: seeds 1 to ${SEEDS}`, () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const chaos = new Chaos(seed);
    chaos.run();
    expect(chaos.faults, `seed ${seed}`).toEqual([]);
  }
});

describe("a clock that was set back by an hour", () => {
  const NOW_MS = 3_600_000;

  it("makes nobody who asks wait for longer than any other", () => {
    const { isolate } = Isolate.waiting("r-1", NOW_MS);
    isolate.ask("r-2");
    expect(isolate.outbox.seeToInMs(0)).toBe(2);
    expect(askedIn(isolate.call(2))).toEqual(["r-2", "r-1"]);
  });

  it("keeps no name for longer", () => {
    const { outbox } = new Isolate();
    outbox.giveBack("r-1", { isAwaited: false, nowMs: NOW_MS });
    expect(outbox.seeToInMs(0)).toBe(10);
    expect(outbox.take(10)?.returned).toEqual(["r-1"]);
  });
});

it("all who wait ask again at a pool that has begun anew between two of its answers", () => {
  const { isolate, standing } = Isolate.waiting();
  isolate.ask("r-2");
  const second = isolate.call(5);
  isolate.outbox.answered(standing, answerOf([], "one"));
  isolate.outbox.answered(second, answerOf([], "another"));
  expect(askedIn(isolate.call(10))).toEqual(["r-1", "r-2"]);
});

it("all who wait ask again twice a second, and no oftener, where many calls of a pool that is late are given up", () => {
  const { isolate } = Isolate.waiting("r-1", 0);
  for (let call = 1; call < 8; call += 1) {
    isolate.ask(`r-${call + 1}`);
    isolate.call(20 * call);
  }
  let asked = 0;
  for (let nowMs = 1_001; nowMs <= 3_000; nowMs += 1)
    asked += isolate.outbox.take(nowMs)?.asks.filter(({ slotId }) => slotId === "r-1").length ?? 0;
  expect(asked).toBe(4);
});

it("whoever makes no more calls hands them over to each that waits once, the newest first", () => {
  const { isolate } = Isolate.waiting("r-1");
  isolate.ask("r-2");
  for (let turn = 0; turn < 3; turn += 1) isolate.outbox.handOver();
  expect(isolate.heard).toEqual([
    { slotId: "r-2", heard: { carries: true } },
    { slotId: "r-1", heard: { carries: true } },
  ]);
  expect(isolate.outbox.awaits("r-1")).toBe(true);
});
