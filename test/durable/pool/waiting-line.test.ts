import { expect, it } from "vitest";
import { WaitingLine, type Ticket } from "#durable/pool/waiting-line.ts";
import { LIMITS } from "#shared/limits.ts";
import { kernels } from "#test/support/kernels.ts";

const CLASS_COUNT = 5;
/** More names in all than there are places. */
const VERSION_COUNT = Math.ceil(LIMITS.classCountMax / CLASS_COUNT) + 3;

const line = () => new WaitingLine(kernels({ memoryBytes: 2 * 2 ** 20 }));
const classesOf = (version: number) =>
  Array.from({ length: CLASS_COUNT }, (_, index) => ({ className: `v${version}-c${index}`, weight: index + 1 }));

function ticketOf(className: string, slotId = className): Ticket {
  const named = { slotId, holder: "h", service: "svc", flow: `t/${className}`, affinityKey: null, kind: "request" } as const;
  return { request: { ...named, urgency: 3, waitMsMax: 1_000, configurationVersion: 1 }, arrivedAtMs: 0, arrivedAtLedgerMs: 0 };
}

it("classes of a new version can wait, however many names there were before", () => {
  const waiting = line();
  for (let version = 1; version <= VERSION_COUNT; version += 1) {
    waiting.configure(classesOf(version));
    for (const { className } of classesOf(version)) expect(waiting.push(ticketOf(className), { className, weight: 1 })).toBeNull();
    for (let count = 0; count < CLASS_COUNT; count += 1) expect(waiting.next(0)).toBeDefined();
  }
});

it("who waits in a class that is gone is served, and a class has its place once it was", () => {
  const waiting = line();
  const full = Array.from({ length: LIMITS.classCountMax }, (_, index) => ({ className: `old-${index}`, weight: 1 }));
  waiting.configure(full);
  for (const { className } of full) expect(waiting.push(ticketOf(className), { className, weight: 1 })).toBeNull();
  waiting.configure([{ className: "new", weight: 1 }]);
  expect(waiting.push(ticketOf("new"), { className: "new", weight: 1 })).toEqual({ refused: "full" });
  const first = waiting.next(0)?.request.slotId ?? "";
  expect(first).toMatch(/^old-/);
  expect(waiting.push(ticketOf("new"), { className: "new", weight: 1 })).toBeNull();
  const served = Array.from({ length: LIMITS.classCountMax }, () => waiting.next(0)?.request.slotId);
  expect(new Set([first, ...served])).toEqual(new Set([...full.map(({ className }) => className), "new"]));
});
