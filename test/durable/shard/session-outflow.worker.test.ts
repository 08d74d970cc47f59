import { expect, it } from "vitest";
import { BufferBudget } from "#durable/shard/buffer-budget.ts";
import type { Live } from "#durable/shard/host-shell.ts";
import { ShardLease } from "#durable/shard/pace/shard-lease.ts";
import { SessionOutflow } from "#durable/shard/session-outflow.ts";
import type { End } from "#shared/resume/frames.ts";

const FLOW = "acme/gold";
const END: End = { type: "end", why: "policy", received: 0, sent: 3, code: 1008, reason: "message-rate" };

it("what waits of a session that is over is dropped with its device's connection, and what was to come after it is done", () => {
  const lease = new ShardLease("holder", () => {});
  lease.note("echo", { flow: FLOW, version: 1, bytes: "held", isTimed: false });
  const budget = new BufferBudget();
  let looks = 0;
  const pace = { find: (flow: string) => lease.find(flow), pass: () => {} };
  const outflow = new SessionOutflow({ pace: () => pace, budget, socketOf: () => void (looks += 1) });
  const state = { attempt: 2, end: null, detachedAtMs: null, outbound: { acknowledged: 0 } };
  const live = { route: { flow: FLOW }, state } as unknown as Live;
  for (const sequence of [1, 2, 3])
    outflow.transmit(live, { kind: "transmit", attempt: 2, frame: { type: "message", sequence, payload: "x".repeat(10_000) } });
  live.state = { ...live.state, end: END };
  outflow.transmit(live, { kind: "transmit", attempt: 2, frame: END });
  outflow.disconnect(live, { kind: "disconnect", attempt: 2, code: 1008, reason: "message-rate" });
  outflow.leave(live, 1);
  expect([budget.bytes, lease.find(FLOW)?.isWaiting, looks]).toEqual([30_000, true, 0]);
  outflow.leave(live, 2);
  expect([budget.bytes, lease.find(FLOW)?.isWaiting, looks]).toEqual([0, false, 2]);
  // Nobody is there for it, so nothing is asked for.
  expect(lease.step(0)).toBe(null);
});
