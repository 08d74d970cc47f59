import { expect, it } from "vitest";
import { NO_TERMS } from "#durable/shard/breach.ts";
import { BufferBudget } from "#durable/shard/buffer-budget.ts";
import { ShardLease } from "#durable/shard/pace/shard-lease.ts";
import { relay } from "#durable/shard/relay.ts";

const FLOW = "acme/gold";

/** One end of a socket that says what it is told to, and answers nothing. */
class Peer extends EventTarget {
  readyState: number = WebSocket.OPEN;
  readonly got: unknown[] = [];
  readonly closes: unknown[] = [];
  accept(): void {}
  send(data: unknown): void {
    this.got.push(data);
  }
  close(code: number): void {
    this.closes.push(code);
  }
  say(data: string): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}

it("keeps nothing, and asks for nothing, for a device that is closed for a fault of its own and does not answer", () => {
  const lease = new ShardLease("holder", () => {});
  lease.note("echo", { flow: FLOW, version: 1, bytes: "held", isTimed: false });
  const budget = new BufferBudget();
  const [device, endpoint] = [new Peer(), new Peer()];
  relay({
    device: device as unknown as WebSocket,
    endpoint: endpoint as unknown as WebSocket,
    owner: { service: "echo", tenant: "acme", device: "d-1", slotId: "s", flow: FLOW },
    terms: { ...NO_TERMS, limits: { ...NO_TERMS.limits, messageBytesMax: 10 } },
    shell: { pace: () => ({ find: (flow) => lease.find(flow), isOff: false, pass: () => {} }), budget: () => budget },
    onEnd: () => {},
  });
  // The pool has nothing for it.
  for (let count = 0; count < 9; count += 1) endpoint.say("x".repeat(10));
  expect([budget.bytes, device.got]).toEqual([90, []]);
  device.say("more than ten");
  expect(device.closes).toEqual([1009]);
  expect([budget.bytes, lease.find(FLOW)?.isWaiting]).toEqual([0, false]);
  // Its slot ends with its endpoint's close.
  endpoint.dispatchEvent(Object.assign(new Event("close"), { code: 1001, reason: "" }));
});

it("keeps nothing more of a device that goes on after its endpoint has closed: its slot goes back once what waited has gone", async () => {
  const lease = new ShardLease("holder", () => {});
  lease.note("echo", { flow: FLOW, version: 1, bytes: "held", isTimed: false });
  const budget = new BufferBudget();
  const [device, endpoint] = [new Peer(), new Peer()];
  const ends: (Promise<void> | null)[] = [];
  relay({
    device: device as unknown as WebSocket,
    endpoint: endpoint as unknown as WebSocket,
    owner: { service: "echo", tenant: "acme", device: "d-1", slotId: "s", flow: FLOW, memoryBytes: 65_536 },
    terms: NO_TERMS,
    shell: { pace: () => ({ find: (flow) => lease.find(flow), isOff: false, pass: () => {} }), budget: () => budget },
    onEnd: ({ emptied }) => void ends.push(emptied),
  });
  endpoint.say("last words");
  endpoint.readyState = WebSocket.CLOSED;
  endpoint.dispatchEvent(Object.assign(new Event("close"), { code: 1001, reason: "" }));
  for (let count = 0; count < 9; count += 1) device.say("x".repeat(1_000));
  expect(budget.bytes).toBe(10);
  // The pool has nothing for it: the last words are waited for in vain.
  lease.step(Date.now() + 6_000);
  await ends[0];
  expect([budget.bytes, device.closes]).toEqual([0, [1001]]);
});
