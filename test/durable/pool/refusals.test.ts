import { expect, it } from "vitest";
import { Refusals } from "#durable/pool/refusals.ts";
import { Routes } from "#durable/pool/routes.ts";
import { ShardChoice } from "#durable/pool/shard-choice.ts";
import { kernels } from "../../support/kernels.ts";

const shard = (endpointUrl: string, of: { requests: number; failures: number; refused?: number }) => ({
  shardId: endpointUrl,
  endpointUrl,
  latency: new Uint8Array(0),
  ...of,
});

it("an endpoint refuses from its first refusal to its last, until it answers", () => {
  const refusals = new Refusals();
  expect(refusals.take([shard("a", { requests: 5, failures: 5 })], 1_000)).toBe(false);
  expect(refusals.take([shard("a", { requests: 5, failures: 5, refused: 1 })], 1_000)).toBe(true);
  refusals.note("a", 3_500);
  expect([refusals.refusingMs("a"), refusals.refusingMs("b")]).toEqual([2_500, 0]);
  // It answered, and then it refused.
  refusals.take([shard("a", { requests: 5, failures: 1, refused: 1 })], 4_000);
  expect(refusals.refusingMs("a")).toBe(0);
  refusals.take([shard("a", { requests: 1, failures: 0 })], 4_500);
  expect(refusals.isSuspect("a", true)).toBe(false);
  // Half a minute apart they have nothing to do with each other.
  refusals.note("a", 10_000);
  refusals.note("a", 40_001);
  expect(refusals.refusingMs("a")).toBe(0);
});

it("what came to an address is not held against who comes there later", () => {
  const routes = new Routes(kernels());
  const table = ["a", "b"].map((name) => ({ shardId: name, endpointUrl: name, size: 10, state: "active" as const }));
  routes.adopt(table);
  routes.refusals.note("a", 1_000);
  routes.refusals.note("a", 5_000);
  routes.adopt(table.slice(1));
  routes.adopt([...table.slice(1), { shardId: "c", endpointUrl: "a", size: 10, state: "active" as const }]);
  expect([routes.refusals.refusingMs("a"), routes.refusals.isSuspect("a", true)]).toEqual([0, false]);
});

it("nothing is granted for a second where connections are refused, while there is another or will be", () => {
  const refusals = new Refusals();
  const choice = new ShardChoice(kernels(), refusals);
  choice.replace(["a", "b"].map((name) => ({ shardId: name, endpointUrl: name, size: 10, state: "active" as const })));
  const chosen = (): ReadonlySet<string | undefined> =>
    new Set(Array.from({ length: 50 }, (_, key) => choice.choose(String(key), () => true)?.endpointUrl));
  expect(chosen()).toEqual(new Set(["a", "b"]));
  refusals.note("a", 1_000);
  expect(chosen()).toEqual(new Set(["b"]));
  // Everybody refuses: better an answer that says so than none, unless others are about to be there.
  refusals.note("b", 1_000);
  expect([choice.hasRoom(() => true), chosen()]).toEqual([true, new Set(["a", "b"])]);
  choice.mayWait = true;
  expect(choice.hasRoom(() => true)).toBe(false);
  refusals.tick(4_999);
  expect(choice.hasRoom(() => true)).toBe(false);
  refusals.tick(5_000);
  expect([choice.hasRoom(() => true), chosen()]).toEqual([true, new Set(["a", "b"])]);
});
