import { it } from "vitest";
import type { CapacityAnswer, CapacityOrder } from "#shared/protocol/capacity-provider.ts";
import { EventClock } from "./event-clock.ts";
import { FaultyProvider, type CapacityFaults } from "./faulty-provider.ts";

const OFFER = { offerId: "small", region: null, slotsMax: 50, pricePerHour: 0.1 };
const ORDER: CapacityOrder = { unitId: "u-1", offerId: "small", service: "echo", slots: 10, pricePerHourMax: 0.15 };
const HOUR_MS = 3_600_000;

function providerOf(faults: Partial<CapacityFaults> = {}, seed = 1): { clock: EventClock; provider: FaultyProvider } {
  const clock = new EventClock(0);
  return { clock, provider: new FaultyProvider({ seed, clock, offers: [OFFER], unitCountMax: 8, startMs: 1_000, faults }) };
}

/** What a caller hears, at which time. */
function collector(clock: EventClock): { heard: string[]; hear: (answer: CapacityAnswer<unknown>) => void } {
  const heard: string[] = [];
  return { heard, hear: (answer) => heard.push(`${clock.wallMs} ${answer.ok ? "ok" : answer.reason}`) };
}

it("without faults reserves, starts, drains and stops", ({ expect }) => {
  const { clock, provider } = providerOf();
  const { heard, hear } = collector(clock);
  provider.callReserve(ORDER, hear);
  provider.callStart("u-1", hear);
  clock.until(2_000);
  const [url] = [...provider.running.values()].map((unit) => unit.url);
  expect(provider.answers(url ?? "")).toBe(true);
  provider.callStop("u-1", hear);
  clock.until(4_000);
  expect(heard).toEqual(["0 ok", "0 ok", "2000 ok"]);
  expect(provider.running.size).toBe(0);
});

it.for([
  { name: "lost call: a time-out, and nothing is reserved", faults: { lostCalls: 1 }, want: "5000 unavailable", reserved: 0 },
  { name: "lost answer: a time-out, though it is reserved", faults: { lostAnswers: 1 }, want: "5000 unavailable", reserved: 1 },
  { name: "late call: a time-out, and reserved afterwards", faults: { lateCalls: 1 }, want: "5000 unavailable", reserved: 1 },
  { name: "repeated call: one unit", faults: { repeatedCalls: 1 }, want: "0 ok", reserved: 1 },
  { name: "refused call", faults: { refusedCalls: 1 }, want: "0 unavailable", reserved: 0 },
  { name: "no capacity", faults: { outOfCapacity: 1 }, want: "0 out-of-capacity", reserved: 0 },
  { name: "twice the price", faults: { dearReservations: 1 }, want: "0 too-dear", reserved: 0 },
])("$name", ({ faults, want, reserved }, { expect }) => {
  const { clock, provider } = providerOf(faults);
  const { heard, hear } = collector(clock);
  provider.callReserve(ORDER, hear);
  clock.until(70_000);
  expect(heard).toEqual([want]);
  provider.setFaults({});
  let count = -1;
  provider.callUnits("echo", (answer) => (count = answer.ok ? answer.value.length : -1));
  clock.until(80_000);
  expect(count).toBe(reserved);
});

it.for([
  { name: "a start that fails", faults: { failedStarts: 1 }, state: "failed", answers: false, price: 0.1 },
  { name: "a unit that lies", faults: { lyingUnits: 1 }, state: "ready", answers: false, price: 0.1 },
  { name: "a unit that crashes", faults: { crashingUnits: 1 }, state: "failed", answers: false, price: 0.1 },
  { name: "a unit that becomes dearer", faults: { repricedUnits: 1 }, state: "ready", answers: true, price: 0.2 },
])("$name is told, or found by asking it", ({ faults, state, answers, price }, { expect }) => {
  const { clock, provider } = providerOf({ ...faults, lifeMsMean: 10_000 });
  const { hear } = collector(clock);
  provider.callReserve(ORDER, hear);
  provider.callStart("u-1", hear);
  clock.until(HOUR_MS);
  expect([...provider.running.values()].some((unit) => unit.answers)).toBe(answers);
  let told = {};
  provider.callUnits("echo", (answer) => (told = answer.ok ? (answer.value[0] ?? {}) : {}));
  clock.until(HOUR_MS + 1);
  expect(told).toMatchObject({ state, pricePerHour: price });
});

it("tells the same story for the same seed", ({ expect }) => {
  const story = (seed: number): string[] => {
    const { clock, provider } = providerOf({ lostCalls: 0.3, lostAnswers: 0.3, lateCalls: 0.3, delayMsMax: 900 }, seed);
    const { heard, hear } = collector(clock);
    for (let index = 0; index < 20; index += 1) provider.callReserve({ ...ORDER, unitId: `u-${index}` }, hear);
    clock.until(100_000);
    return heard;
  };
  expect(story(7)).toEqual(story(7));
  expect(story(7)).not.toEqual(story(8));
});

it("never starts a unit twice, whatever the network does", ({ expect }) => {
  const { clock, provider } = providerOf({ repeatedCalls: 0.5, lateCalls: 0.3, lostAnswers: 0.2, delayMsMax: 500 }, 3);
  for (let round = 0; round < 10; round += 1) {
    provider.callReserve(ORDER, () => {});
    provider.callStart("u-1", () => {});
    if (round > 5) provider.callStop("u-1", () => {});
    clock.until((round + 1) * 10_000);
  }
  clock.until(HOUR_MS);
  expect([...provider.startsByUnit]).toEqual([["u-1", 1]]);
  expect(provider.running.size).toBe(0);
});
