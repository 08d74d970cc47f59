import { describe, expect, it } from "vitest";
import type { RequestScope } from "#gateway/request-scope.ts";
import { Cutoff } from "#gateway/upstream/cutoff.ts";
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
  const scope = { request: { signal: spied }, startedAtMs: Date.now() } as unknown as RequestScope;
  return { scope, listeners, leave: () => aborter.abort() };
}

describe("Cutoff", () => {
  it("cuts when the device goes away", () => {
    const { scope, leave } = device();
    const cutoff = new Cutoff(scope, SERVICE, SLOT);
    const { signal } = cutoff;
    leave();
    expect(cutoff.reason?.outcome).toBe("cancelled");
    expect(signal.aborted).toBe(true);
    cutoff.stop();
  });

  it("keeps listening past the headers, and leaves nothing behind at the end", () => {
    const { scope, listeners, leave } = device();
    const cutoff = new Cutoff(scope, SERVICE, SLOT);
    cutoff.extend();
    expect(listeners.size).toBe(1);
    cutoff.stop();
    expect(listeners.size).toBe(0);
    leave();
    expect(cutoff.reason).toBeNull();
  });
});
