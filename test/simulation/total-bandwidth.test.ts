import { describe, expect, it } from "vitest";
import { runTotal, type Body, type TotalScenario } from "./total-bandwidth.ts";

const SECONDS = 60;
const SEEDS = process.env["TIDEGATE_LONG"] === "1" ? 300 : 20;
const RATE = 200_000;

const everywhere = (services: number, isolates: number): readonly Body[] =>
  Array.from({ length: services * isolates }, (_, index) => ({
    service: `s${index % services}`,
    isolate: Math.floor(index / services),
    className: "gold",
  }));

describe("bodies without end at all services of one tenant", () => {
  const cells = [1, 2, 4].flatMap((services) =>
    [1, 3].flatMap((isolates) => [32_768, RATE, 10_000_000].map((bytesPerSecond) => ({ services, isolates, bytesPerSecond }))),
  );

  it.for(cells)(
    "$services services, $isolates isolates each, $bytesPerSecond bytes a second: never over it, and nearly all of it",
    ({ services, isolates, bytesPerSecond }) => {
      const bodies = everywhere(services, isolates);
      const { bytes, perBody, overshoot, quotaCalls } = runTotal({ bytesPerSecond, bodies, seconds: SECONDS }, 1);
      expect(overshoot).toBeLessThanOrEqual(0);
      expect(bytes).toBeGreaterThan(0.95 * bytesPerSecond * SECONDS);
      for (const own of perBody) expect(own).toBeGreaterThan((0.6 * bytes) / perBody.length);
      expect(quotaCalls / SECONDS / services).toBeLessThanOrEqual(5);
    },
  );

  it("is another service's within a second of where one falls silent, and shared again where it comes back", () => {
    const bodies = [
      { service: "left", isolate: 0, className: "gold" },
      { service: "right", isolate: 0, className: "gold", untilMs: 20_000 },
      { service: "right", isolate: 0, className: "gold", fromMs: 40_000 },
    ];
    const { perSecond, perBody } = runTotal({ bytesPerSecond: RATE, bodies, seconds: SECONDS }, 1);
    for (let second = 2; second < SECONDS; second += 1) expect(perSecond[second], `second ${second}`).toBeGreaterThan(0.5 * RATE);
    const [left = 0, ...right] = perBody;
    expect(left / (RATE * SECONDS)).toBeCloseTo(2 / 3, 1);
    for (const one of right) expect(one / (RATE * SECONDS)).toBeCloseTo(1 / 6, 1);
  });

  it("is divided by the classes' weight where a service's classes both want more", () => {
    const bodies = ["gold", "bronze"].map((className) => ({ service: "one", isolate: 0, className }));
    const { perBody } = runTotal({ bytesPerSecond: RATE, bodies, seconds: SECONDS }, 1);
    const [gold = 0, bronze = 1] = perBody;
    expect(gold / bronze).toBeGreaterThan(2.2);
    expect(gold / bronze).toBeLessThan(3.5);
  });
});

describe("while calls to the quota fail, pools restart and isolates die", () => {
  const storm = (seed: number, restMs: number, more: Partial<TotalScenario> = {}) =>
    runTotal({ bytesPerSecond: RATE, bodies: everywhere(2, 2), seconds: SECONDS, isStormy: true, restMs, ...more }, seed);

  it(`is never over it, for ${SEEDS} seeds, and goes on`, { timeout: 600_000 }, () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const [resting, restless] = [storm(seed, 3_000), storm(seed, 0)];
      expect(Math.max(resting.overshoot, restless.overshoot), `seed ${seed}`).toBeLessThanOrEqual(0);
      expect(restless.bytes / (RATE * SECONDS), `seed ${seed}`).toBeGreaterThan(0.3);
      expect(restless.faults).toBeGreaterThan(10);
    }
  });

  it("canary: a pool that lends twice what it was lent is over it", () => {
    const sharedOf: TotalScenario["sharedOf"] = (credits) => {
      const bytes = credits.sharedOf("acme", "bytes");
      return bytes && { ...bytes, take: (count) => bytes.take(Math.floor(count / 2)) };
    };
    expect(storm(1, 0, { sharedOf }).overshoot).toBeGreaterThan(0);
  });
});
