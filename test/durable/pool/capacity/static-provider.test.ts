import { it } from "vitest";
import { StaticProvider } from "#durable/pool/capacity/static-provider.ts";
import type { CapacityOrder } from "#shared/protocol/capacity-provider.ts";

const ENDPOINT = { url: "https://api.example.com", capacity: 100, region: "weur" as const, pricePerHour: 1 };
const ORDER: CapacityOrder = { unitId: "echo-1", offerId: ENDPOINT.url, service: "echo", slots: 40, pricePerHourMax: 1 };

it("offers what is left of each endpoint, at its part of the price", async ({ expect }) => {
  const provider = new StaticProvider({ endpoints: [ENDPOINT], units: [] });
  await provider.reserve(ORDER);
  expect(await provider.offers()).toEqual({
    ok: true,
    value: [{ offerId: ENDPOINT.url, region: "weur", slotsMax: 60, pricePerHour: 0.6, availableCount: null }],
  });
  expect(await provider.reserve({ ...ORDER, unitId: "echo-2", slots: 61 })).toMatchObject({ reason: "out-of-capacity" });
  expect(await provider.reserve({ ...ORDER, unitId: "echo-2", slots: 60 })).toMatchObject({ ok: true, value: { pricePerHour: 0.6 } });
  expect(await provider.offers()).toEqual({ ok: true, value: [] });
});

it("is ready when it is started, drains and is free again", async ({ expect }) => {
  const provider = new StaticProvider({ endpoints: [ENDPOINT], units: [] });
  expect(await provider.start("echo-1")).toMatchObject({ reason: "conflict" });
  await provider.reserve(ORDER);
  expect(await provider.start("echo-1")).toMatchObject({ value: { state: "ready", url: ENDPOINT.url } });
  expect(await provider.drain("echo-1")).toMatchObject({ value: { state: "draining", url: ENDPOINT.url } });
  expect(await provider.start("echo-1")).toMatchObject({ reason: "conflict" });
  expect(await provider.stop("echo-1")).toEqual({ ok: true, value: null });
  expect(await provider.stop("echo-1")).toEqual({ ok: true, value: null });
  expect(await provider.units("echo")).toEqual({ ok: true, value: [] });
});

it.for([
  { name: "an endpoint that is not configured", order: { ...ORDER, offerId: "https://other.example.com" }, want: "unknown-offer" },
  { name: "a price above the most", order: { ...ORDER, pricePerHourMax: 0.39 }, want: "too-dear" },
])("refuses $name", async ({ order, want }, { expect }) => {
  const provider = new StaticProvider({ endpoints: [ENDPOINT], units: [] });
  expect(await provider.reserve(order)).toMatchObject({ ok: false, reason: want });
});

it("is told what was sold before, and sells none of it twice", async ({ expect }) => {
  const before = new StaticProvider({ endpoints: [ENDPOINT], units: [] });
  await before.reserve(ORDER);
  await before.start("echo-1");
  const sold = await before.units("echo");
  const provider = new StaticProvider({ endpoints: [ENDPOINT], units: sold.ok ? sold.value : [] });
  expect(await provider.reserve(ORDER)).toMatchObject({ value: { state: "ready" } });
  expect(await provider.reserve({ ...ORDER, slots: 41 })).toMatchObject({ reason: "conflict" });
  expect(await provider.reserve({ ...ORDER, unitId: "echo-2", slots: 61 })).toMatchObject({ reason: "out-of-capacity" });
  expect(await provider.units("other")).toEqual({ ok: true, value: [] });
});
