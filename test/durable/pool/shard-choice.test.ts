import { describe, expect, it } from "vitest";
import type { PoolShard } from "#durable/pool/layout.ts";
import { ShardChoice } from "#durable/pool/shard-choice.ts";
import { kernels } from "../../support/kernels.ts";

const KEYS = Array.from({ length: 200 }, (_, index) => `device-${index}`);
const shardsOf = (...names: string[]): PoolShard[] =>
  names.map((shardId) => ({ shardId, endpointUrl: shardId.slice(0, 1), size: 10, state: "active" }));

function choiceOf(...names: string[]): ShardChoice {
  const choice = new ShardChoice(kernels(), { isSuspect: () => false });
  choice.replace(shardsOf(...names));
  return choice;
}

describe("a shard that is avoided", () => {
  it("gets nothing while there is another with room, and nobody else's keys move", () => {
    const choice = choiceOf("a1", "a2", "b1");
    const before = KEYS.map((key) => choice.choose(key, () => true)?.shardId);
    choice.avoid("a2", 1_000);
    const after = KEYS.map((key) => choice.choose(key, () => true)?.shardId);
    expect(before).toContain("a2");
    expect(after).not.toContain("a2");
    expect(after.filter((shardId, index) => before[index] !== "a2" && shardId !== before[index])).toEqual([]);
    choice.avoid(null, Infinity);
    expect(KEYS.map((key) => choice.choose(key, () => true)?.shardId)).toEqual(before);
  });

  it("is so for as long as was said, though nobody says anything more", () => {
    const choice = choiceOf("a1", "b1");
    choice.avoid("a1", 1_000);
    const isUsed = (): boolean => KEYS.some((key) => choice.choose(key, () => true)?.shardId === "a1");
    choice.tick(999);
    expect(isUsed()).toBe(false);
    choice.tick(1_000);
    expect(isUsed()).toBe(true);
  });

  it("is used where no other has room", () => {
    const choice = choiceOf("a1", "b1");
    choice.avoid("a1", 1_000);
    expect(choice.choose("device", (lane) => lane === "a")?.shardId).toBe("a1");
    expect(choice.choose("device", () => true, "b1")?.shardId).toMatch(/a1|b1/);
    expect(choice.choose("device", () => false)).toBeUndefined();
  });

  it("is not returned to by who leaves it", () => {
    const choice = choiceOf("a1", "a2", "a3");
    for (const key of KEYS) {
      const left = choice.choose(key, () => true)?.shardId;
      expect(choice.choose(key, () => true, left)?.shardId).not.toBe(left);
    }
  });
});
