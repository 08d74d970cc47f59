import { describe, expect, it } from "vitest";
import type { RequestScope } from "#gateway/request-scope.ts";
import { Cutoff } from "#gateway/upstream/cutoff.ts";
import { WATCH_MS } from "#gateway/upstream/watch.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";

const SERVICE = { deadlineMs: 10_000, requestDurationMsMax: 60_000 } as ServiceConfig;
const SLOT = { lateRefusal: null, lookAgainInMs: () => Infinity };

/** A device's signal that knows who listens. */
function device() {
  const aborter = new AbortController();
  const { signal } = aborter;
  const listeners = new Set<unknown>();
  const spied = {
    addEventListener(type: "abort", listener: () => void) {
      listeners.add(listener);
      signal.addEventListener(type, listener);
    },
    removeEventListener(type: "abort", listener: () => void) {
      listeners.delete(listener);
      signal.removeEventListener(type, listener);
    },
  };
  const young = new Set<() => void>();
  const watch = { enter: (wake: () => void) => void young.add(wake), leave: (wake: () => void) => void young.delete(wake) };
  const scope = { request: { signal: spied }, startedAtMs: Date.now(), isolate: { watch }, ctx: {} } as unknown as RequestScope;
  Object.defineProperty(spied, "aborted", { get: () => signal.aborted });
  /** The isolate's watch comes round. */
  const comeRound = async (): Promise<void> => {
    for (const wake of young) wake();
    young.clear();
    await Promise.resolve();
  };
  return { scope, listeners, young, comeRound, leave: () => aborter.abort() };
}

describe("Cutoff", () => {
  it("leaves nothing of an exchange that is over before the watch comes round, and arms nothing afterwards", async () => {
    const { scope, listeners, young, comeRound, leave } = device();
    const cutoff = new Cutoff(scope, SERVICE, SLOT);
    cutoff.extend();
    expect(young.size).toBe(1);
    const [wake] = young;
    cutoff.stop();
    expect(young.size).toBe(0);
    // It was called already when the exchange ended.
    wake?.();
    await comeRound();
    expect(listeners.size).toBe(0);
    leave();
    expect(cutoff.reason).toBeNull();
  });

  it("cuts when the device goes away", async () => {
    const { scope, comeRound, leave } = device();
    const cutoff = new Cutoff(scope, SERVICE, SLOT);
    const { signal } = cutoff;
    await comeRound();
    leave();
    expect(cutoff.reason?.outcome).toBe("cancelled");
    expect(signal.aborted).toBe(true);
    cutoff.stop();
  });

  it("cuts when the watch comes round where the device has gone before", async () => {
    const { scope, comeRound, leave } = device();
    const cutoff = new Cutoff(scope, SERVICE, SLOT);
    leave();
    await comeRound();
    expect(cutoff.reason?.outcome).toBe("cancelled");
    cutoff.stop();
  });

  it("does not wait for the watch where its time is up before", async () => {
    const { scope, young } = device();
    const cutoff = new Cutoff(scope, { ...SERVICE, deadlineMs: WATCH_MS }, SLOT);
    expect(young.size).toBe(0);
    await expect(cutoff.race(new Promise(() => undefined))).rejects.toThrow("did not answer");
    expect(cutoff.reason?.outcome).toBe("upstream-timeout");
    cutoff.stop();
  });

  it("keeps listening past the headers, and leaves nothing behind at the end", async () => {
    const { scope, listeners, comeRound, leave } = device();
    const cutoff = new Cutoff(scope, SERVICE, SLOT);
    await comeRound();
    cutoff.extend();
    expect(listeners.size).toBe(1);
    cutoff.stop();
    expect(listeners.size).toBe(0);
    leave();
    expect(cutoff.reason).toBeNull();
  });
});
