// A past that is told: what was seen elsewhere is forecast and planned here.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { HISTORY } from "#shared/protocol/demand-history.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import { applyServices } from "../../support/worker/configuration.ts";

const NOW_MS = Math.floor(Date.now() / HISTORY.binMs) * HISTORY.binMs;

async function poolOf(service: string) {
  const version = await applyServices([
    { service, capacity: 400, more: { shards: { sizeMin: 10, sizeMax: 10, countMin: 1, countMax: 40 } } },
  ]);
  const stub = env.POOL.get(env.POOL.idFromName(service));
  const tell = async (startMs: number, slots: readonly number[]) =>
    stub.learn(service, version, { startMs, slots, arrivalsPerSecond: slots });
  return { stub, tell, stats: () => stub.stats(service, version) };
}

/** Six slots; from nine to noon up to sixty, which stay until six. */
function levelAt(sinceMs: number): number {
  const hour = (sinceMs % DAY_MS) / HOUR_MS;
  if (hour < 9 || hour >= 18) return 6;
  return 6 + 18 * Math.min(3, hour - 9);
}

describe("a history", () => {
  it("of two days is a forecast of the next rise, before it, in a pool that never had a request; also after an eviction", async () => {
    const { stub, tell, stats } = await poolOf("history-rise");
    // Until a quarter of an hour before nine.
    const forMs = 2 * DAY_MS + 8.75 * HOUR_MS;
    const startMs = NOW_MS - forMs;
    const count = forMs / HISTORY.binMs;
    for (let at = 0; at < count; at += HISTORY.binCountMax) {
      const slots = Array.from({ length: Math.min(HISTORY.binCountMax, count - at) }, (_, index) => levelAt((at + index) * HISTORY.binMs));
      expect(await tell(startMs + at * HISTORY.binMs, slots)).toMatchObject({ ok: true });
    }
    const { demand } = await stats();
    const meanOf = (horizonMs: number): number =>
      demand.horizons.find((one) => one.signal === "concurrency" && one.horizonMs === horizonMs)?.mean ?? Number.NaN;
    // Nothing has risen yet.
    expect(meanOf(MINUTE_MS)).toBeCloseTo(6, 1);
    expect(meanOf(HOUR_MS)).toBeGreaterThan(1.1 * meanOf(MINUTE_MS));
    expect(demand.binCount).toBe(count);
    expect(demand.plan?.count).toBeGreaterThanOrEqual(1);
    await evictDurableObject(stub);
    expect((await stats()).demand.horizons.find((one) => one.signal === "concurrency" && one.horizonMs === HOUR_MS)?.mean).toBeCloseTo(
      meanOf(HOUR_MS),
      1,
    );
  });

  it("is refused where it overlaps what is known, ends after now, or has lists of two lengths", async () => {
    const { stub, tell } = await poolOf("history-refused");
    expect(await tell(NOW_MS - HOUR_MS, [1, 2, 3])).toEqual({ ok: true, knownUntilMs: NOW_MS - HOUR_MS + 30_000 });
    expect(await tell(NOW_MS - HOUR_MS + 20_000, [4])).toMatchObject({ ok: false, outcome: "bad-request" });
    expect(await tell(NOW_MS, [1, 2, 3, 4])).toMatchObject({ ok: false, outcome: "bad-request" });
    expect(await tell(NOW_MS - HOUR_MS + 30_001, [1])).toMatchObject({ ok: false, outcome: "bad-request" });
    const [service, version] = ["history-refused", 1];
    expect(await stub.learn(service, version, { startMs: NOW_MS - 60_000, slots: [1], arrivalsPerSecond: [] })).toMatchObject({
      ok: false,
    });
    expect(await tell(NOW_MS - HOUR_MS + 30_000, [4])).toMatchObject({ ok: true });
  });
});
