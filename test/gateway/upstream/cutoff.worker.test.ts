import { describe, expect, it } from "vitest";
import type { RequestScope } from "#gateway/request-scope.ts";
import { Aborters } from "#gateway/upstream/aborters.ts";
import { Cutoff } from "#gateway/upstream/cutoff.ts";
import { WATCH_MS } from "#gateway/upstream/watch.ts";
import { refuse } from "#shared/errors/refusal.ts";
import type { ServiceConfig } from "#shared/config/schema.ts";

const SERVICE = { deadlineMs: 10_000, requestDurationMsMax: 60_000 } as ServiceConfig;
const SLOT = {
  /** It has just been given. */
  get startedAtMs() {
    return Date.now();
  },
  lateRefusal: null,
  lookAgainInMs: () => Infinity,
};

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
  const scope = {
    request: { signal: spied },
    startedAtMs: Date.now(),
    isolate: { watch, aborters: new Aborters() },
    ctx: {},
  } as unknown as RequestScope;
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

  it("leaves its signal to the next request, unless it was aborted or somebody may still listen to it", () => {
    const { scope } = device();
    const endWith = (use: (cutoff: Cutoff) => AbortSignal): AbortSignal => {
      const cutoff = new Cutoff(scope, SERVICE, SLOT);
      const signal = use(cutoff);
      cutoff.stop();
      // Whatever comes after its end is not the next one's.
      cutoff.cut(refuse("cancelled", "late"));
      return signal;
    };
    const first = endWith((cutoff) => cutoff.signalOfFetch);
    expect(first.aborted).toBe(false);
    const streamed = endWith((cutoff) => (expect(cutoff.signalOfFetch).toBe(first), cutoff.signal));
    const cut = endWith((cutoff) => {
      const { signalOfFetch } = cutoff;
      expect(signalOfFetch).not.toBe(streamed);
      cutoff.cut(refuse("cancelled", "gone"));
      return signalOfFetch;
    });
    expect(cut.aborted).toBe(true);
    expect(endWith((cutoff) => cutoff.signalOfFetch).aborted).toBe(false);
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
