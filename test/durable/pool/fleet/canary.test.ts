import { describe, expect, it } from "vitest";
import { newTrial, observeBlock, verdictOf, type Answers, type CanaryTrial } from "#durable/pool/fleet/canary.ts";
import { CANARY } from "#durable/pool/fleet/fleet-settings.ts";
import { seededRandom, type SeededRandom } from "#test/wasm/seeded-random.ts";

interface Rates {
  readonly failures: number;
  readonly slow: number;
}

function hitsOf(random: SeededRandom, count: number, rate: number): number {
  let sum = 0;
  for (let one = 0; one < count; one += 1) if (random.next() < rate) sum += 1;
  return sum;
}

function answersOf(random: SeededRandom, requests: number, { failures, slow }: Rates): Answers {
  return { requests, failures: hitsOf(random, requests, failures), slow: hitsOf(random, requests, slow) };
}

interface Trying {
  readonly own: Rates;
  readonly siblings: Rates;
  readonly isAlone?: boolean;
  /** Looks after so many blocks at the most. */
  readonly blocks: number;
}

/** The trial of one canary, looked at after every block; `proven` does not end it here. */
function alarmOf(random: SeededRandom, { own, siblings, isAlone = false, blocks }: Trying): { alarm: string | null; answers: number } {
  let trial: CanaryTrial = newTrial(isAlone);
  for (let block = 0; block < blocks; block += 1) {
    trial = observeBlock(trial, answersOf(random, 1 + random.below(6), own), answersOf(random, isAlone ? 0 : random.below(60), siblings));
    const verdict = verdictOf(trial, 0);
    if (verdict === "errors" || verdict === "latency") return { alarm: verdict, answers: trial.own.requests };
  }
  return { alarm: null, answers: trial.own.requests };
}

function chance(count: number, hits: number, rate: number): number {
  let ways = 1;
  for (let one = 0; one < hits; one += 1) ways *= (count - one) / (one + 1);
  return ways * rate ** hits * (1 - rate) ** (count - hits);
}

/** Of what one block multiplies the evidence by, over everything that may be seen in it. */
function expectation(before: CanaryTrial, sizes: { own: number; siblings: number }, { own, rate }: { own: number; rate: number }): number {
  let mean = 0;
  for (let seen = 0; seen < (sizes.own + 1) * (sizes.siblings + 1); seen += 1) {
    const [ours, theirs] = [seen % (sizes.own + 1), Math.floor(seen / (sizes.own + 1))];
    const block = (requests: number, failures: number): Answers => ({ requests, failures, slow: 0 });
    const after = observeBlock(before, block(sizes.own, ours), block(sizes.siblings, theirs));
    mean += chance(sizes.own, ours, own) * chance(sizes.siblings, theirs, rate) * Math.exp(after.logErrors - before.logErrors);
  }
  return mean;
}

describe("a canary's trial", () => {
  it.for([
    { name: "both answer well", rates: { failures: 0.01, slow: 0.05 } },
    { name: "both fail often", rates: { failures: 0.3, slow: 0.3 } },
    { name: "both fail half of the time", rates: { failures: 0.5, slow: 0.5 } },
  ])("raises a false alarm no more often than is said, however long it is looked at: $name", ({ rates }) => {
    const runs = 4_000;
    let alarms = 0;
    for (let seed = 1; seed <= runs; seed += 1)
      if (alarmOf(seededRandom(seed), { own: rates, siblings: rates, blocks: 100 }).alarm !== null) alarms += 1;
    // Three deviations of a binomial above the bound.
    expect(alarms).toBeLessThanOrEqual(CANARY.falseAlarmRatio * runs + 3 * Math.sqrt(CANARY.falseAlarmRatio * runs));
  });

  it.for([
    { name: "fails always", own: { failures: 1, slow: 0 }, want: "errors", within: 12 },
    { name: "fails one time in four", own: { failures: 0.25, slow: 0.05 }, want: "errors", within: 60 },
    { name: "is slow half of the time", own: { failures: 0.01, slow: 0.5 }, want: "latency", within: 40 },
  ])("finds one that $name within $within answers in the median", ({ own, want, within }) => {
    const found = Array.from({ length: 301 }, (_, seed) =>
      alarmOf(seededRandom(seed + 1), { own, siblings: { failures: 0.01, slow: 0.05 }, blocks: 200 }),
    );
    expect(found.filter(({ alarm }) => alarm === want).length).toBeGreaterThan(290);
    expect(found.map(({ answers }) => answers).toSorted((a, b) => a - b)[150]).toBeLessThanOrEqual(within);
  });

  it("alone, finds one that fails nearly always, and accepts one that fails as often as is accepted", () => {
    const siblings = { failures: 0, slow: 0 };
    const dead = alarmOf(seededRandom(1), { own: { failures: 1, slow: 0 }, siblings, isAlone: true, blocks: 50 });
    expect(dead).toMatchObject({ alarm: "errors" });
    expect(dead.answers).toBeLessThanOrEqual(30);
    let alarms = 0;
    for (let seed = 1; seed <= 2_000; seed += 1) {
      const own = { failures: CANARY.aloneFailureRatio, slow: 1 };
      if (alarmOf(seededRandom(seed), { own, siblings, isAlone: true, blocks: 60 }).alarm !== null) alarms += 1;
    }
    expect(alarms).toBeLessThanOrEqual(CANARY.falseAlarmRatio * 2_000 + 3 * Math.sqrt(CANARY.falseAlarmRatio * 2_000));
  });

  it("finds one that fails always though its siblings are gone before they answer", () => {
    let trial = newTrial(false);
    for (let block = 0; block < 3; block += 1)
      trial = observeBlock(trial, { requests: 10, failures: 10, slow: 0 }, { requests: 0, failures: 0, slow: 0 });
    expect(verdictOf(trial, 0)).toBe("errors");
  });

  it("a block's evidence has an expectation of at most 1 where the canary is no worse: counted out exactly", () => {
    const before = observeBlock(newTrial(false), { requests: 7, failures: 3, slow: 0 }, { requests: 20, failures: 1, slow: 0 });
    const rates = [0.001, 0.05, 0.3, 0.6, 0.95].flatMap((rate) => [
      { rate, own: rate },
      { rate, own: rate / 2 },
    ]);
    for (const [own, siblings] of [
      [1, 1],
      [3, 9],
      [8, 2],
    ] as const)
      for (const of of rates) expect(expectation(before, { own, siblings }, of)).toBeLessThanOrEqual(1 + 1e-9);
    // The other direction: a bet that could not win would be no test.
    expect(expectation(before, { own: 3, siblings: 9 }, { own: 0.5, rate: 0.02 })).toBeGreaterThan(1.5);
  });

  it("ends by itself: proven by its answers, or untried where none come", () => {
    const good = observeBlock(newTrial(false), { requests: 50, failures: 0, slow: 0 }, { requests: 200, failures: 2, slow: 9 });
    expect(verdictOf(good, 1_000)).toBe("proven");
    expect(verdictOf(newTrial(false), CANARY.msMax - 1)).toBeNull();
    expect(verdictOf(newTrial(false), CANARY.msMax)).toBe("untried");
  });
});
