// When a Shard object asks what holds for the flows whose messages pass, and about which.
import { describe, expect, it } from "vitest";
import { PaceInquiry } from "#durable/shard/pace/pace-inquiry.ts";
import { KIB_BYTES, MINUTE_MS, SECOND_MS } from "#shared/units.ts";

const FLOW = "acme/gold";
const NOTHING: readonly string[] = [];

function inquiryOf(random = 0) {
  const inquiry = new PaceInquiry({ askMsMax: MINUTE_MS, random: () => random });
  const asked: { readonly atMs: number; readonly flows: readonly string[]; readonly version: number }[] = [];
  const take = (nowMs: number): void => {
    const taken = inquiry.take(NOTHING, nowMs);
    if (taken !== null) asked.push({ atMs: nowMs, flows: taken.flows, version: taken.version });
  };
  const pass = (nowMs: number, { flow = FLOW, bytes = 100 } = {}): void => {
    if (inquiry.pass(flow, bytes, nowMs)) take(nowMs);
  };
  const hear = (version: number, nowMs: number): void => {
    if (inquiry.hear(version, nowMs)) take(nowMs);
  };
  const spend = (ms: number, nowMs: number): void => {
    if (inquiry.spend(ms)) take(nowMs);
  };
  return { inquiry, asked, pass, spend, hear, times: () => asked.map(({ atMs }) => atMs) };
}

describe("while messages pass", () => {
  it.for([
    { random: 0, gapMs: 60_000 },
    { random: 1, gapMs: 45_000 },
  ])("it asks $gapMs ms after it began, or asked, where chance is $random", ({ random, gapMs }) => {
    const { pass, times } = inquiryOf(random);
    for (let nowMs = 0; nowMs <= 181_000; nowMs += SECOND_MS) pass(nowMs);
    expect(times()).toEqual([gapMs, 2 * gapMs, 3 * gapMs, ...(gapMs === 45_000 ? [4 * gapMs] : [])]);
  });

  it("asks at once when in a new life more has passed than the smallest bandwidth lets go at once, and then each minute", () => {
    const { pass, times } = inquiryOf();
    for (let nowMs = 0; nowMs <= 61_000; nowMs += 10) pass(nowMs, { bytes: KIB_BYTES });
    expect(times()).toEqual([310, 60_310]);
  });

  it("asks when they have taken a second at the endpoint, once: no other may follow before its object sleeps", () => {
    const { pass, spend, times } = inquiryOf();
    pass(0);
    spend(999, 999);
    pass(1_000);
    spend(1, 1_001);
    pass(1_002);
    spend(5_000, 6_002);
    expect(times()).toEqual([1_001]);
  });

  it("asks nothing for a few small ones, however often its object sleeps between them", () => {
    for (let life = 0; life < 100; life += 1) {
      const { pass, times } = inquiryOf(1);
      for (let nowMs = 0; nowMs < 40_000; nowMs += 10_000) pass(nowMs, { bytes: 8_000 });
      expect(times()).toEqual([]);
    }
  });

  it("asks a minute later though nobody answered, and not before", () => {
    const { pass, times } = inquiryOf();
    for (let nowMs = 0; nowMs <= 200_000; nowMs += 100) pass(nowMs, { bytes: 1_000_000 });
    expect(times()).toEqual([0, 60_000, 120_000, 180_000]);
  });

  it("asks at once, and each minute from then on, when its clock was set back", () => {
    const { pass, times } = inquiryOf();
    for (let nowMs = 10_000_000; nowMs <= 10_070_000; nowMs += SECOND_MS) pass(nowMs);
    for (let nowMs = 0; nowMs <= 70_000; nowMs += SECOND_MS) pass(nowMs);
    expect(times()).toEqual([10_060_000, 0, 60_000]);
  });
});

describe("it asks about", () => {
  it("those that have spoken since the question before last, each once", () => {
    const { pass, asked } = inquiryOf();
    for (let nowMs = 0; nowMs <= 250_000; nowMs += SECOND_MS) {
      pass(nowMs);
      if (nowMs < 70_000) pass(nowMs, { flow: "acme/silver" });
    }
    expect(asked.map(({ flows }) => flows.toSorted())).toEqual([...Array.from({ length: 3 }, () => [FLOW, "acme/silver"]), [FLOW]]);
  });

  it("those that are limited as well, as many as there is room for beside those that have spoken", () => {
    const { inquiry } = inquiryOf();
    inquiry.pass(FLOW, 1, 0);
    const limited = Array.from({ length: 3_000 }, (_, index) => `t-${index}/gold`);
    expect(inquiry.take(limited, 0)?.flows).toEqual([FLOW, ...limited.slice(0, 2_047)]);
  });

  it("nothing where nobody has spoken and nothing is limited", () => {
    const { inquiry, hear, pass, times } = inquiryOf();
    expect(inquiry.take(NOTHING, 0)).toBe(null);
    hear(1, 0);
    hear(2, 0);
    // That was not the first question of its life.
    pass(1_000, { bytes: 40_000 });
    expect(times()).toEqual([1_000]);
  });

  it("2,048 at a time, and the others ten seconds later: all of 5,000 within a question and twenty seconds", () => {
    const { pass, asked } = inquiryOf();
    for (let nowMs = 0; nowMs <= 85_000; nowMs += SECOND_MS)
      for (let index = 0; index < 5_000; index += 1) pass(nowMs, { flow: `t-${index}/gold`, bytes: 0 });
    expect(asked.every(({ flows }) => flows.length <= 2_048)).toBe(true);
    expect(asked.slice(0, 3).map(({ atMs }) => atMs)).toEqual([60_000, 70_000, 80_000]);
    expect(new Set(asked.slice(0, 3).flatMap(({ flows }) => flows)).size).toBe(5_000);
  });

  it("no more flows than an object takes sockets, whatever their names", () => {
    const { inquiry } = inquiryOf();
    for (let index = 0; index < 40_000; index += 1) inquiry.pass(`t-${index}/gold`, 0, 0);
    let count = 0;
    for (let taken = inquiry.take(NOTHING, 0); taken !== null && count < 100_000; taken = inquiry.take(NOTHING, 0))
      count += taken.flows.length;
    // Each once more, as one that has spoken before.
    expect(count).toBeLessThanOrEqual(2 * 32_768);
  });
});

describe("a newer configuration", () => {
  it("is asked about at once, with its number, and the first that is heard of is none", () => {
    const { pass, hear, asked } = inquiryOf();
    pass(0);
    hear(7, 0);
    hear(7, 1_000);
    hear(8, 2_000);
    hear(8, 3_000);
    hear(6, 3_000);
    expect(asked).toEqual([{ atMs: 2_000, version: 8, flows: [FLOW] }]);
  });

  it("is asked about ten seconds after the question before, with the next message, however many come", () => {
    const { pass, hear, times } = inquiryOf();
    hear(1, 0);
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 100) {
      pass(nowMs, { bytes: KIB_BYTES });
      hear(2 + nowMs / 100, nowMs);
    }
    expect(times()).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
  });

  it("than what is known of those that are limited here is one", () => {
    const { inquiry, pass, hear, asked } = inquiryOf();
    inquiry.know(4);
    pass(0);
    hear(5, 10);
    inquiry.know(5);
    hear(5, 11_000);
    expect(asked).toEqual([{ atMs: 10, version: 5, flows: [FLOW] }]);
  });
});
