import { describe, expect, it } from "vitest";
import { Mailboxes, type HolderCall } from "#durable/pool/mailboxes.ts";
import { Outbox, type ExchangeCall } from "#gateway/lease/outbox.ts";
import { ServiceLease } from "#gateway/lease/service-lease.ts";
import type { ExchangeAnswer } from "#shared/protocol/exchange.ts";
import { AskingSimulation, type AskingParts } from "./asking-simulation.ts";
import { firstFailure } from "./first-failure.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const SEEDS = IS_LONG ? 10_000 : 25;
const STORM_MS = 20_000;

const REAL: AskingParts = {
  leaseOf: (holder, place, memory) => new ServiceLease(holder, place, memory),
  mailboxes: () => new Mailboxes(),
};

const runOf =
  (parts: AskingParts) =>
  (seed: number): unknown =>
    new AskingSimulation(seed, parts).run({ stormMs: STORM_MS });

describe("asking under faults", () => {
  it(`brings one word to whoever asks, and no slot twice, for ${SEEDS} seeds`, { timeout: 7_200_000 }, async () => {
    expect(await firstFailure(runOf(REAL), { seeds: SEEDS })).toBeNull();
  });

  it("replays a seed exactly", () => {
    expect(runOf(REAL)(7)).toEqual(runOf(REAL)(7));
  });
});

/** Whoever is told twice, or after it has gone, gives the slot back: it may run by the first word. */
class ReturnsWhatCameTwice extends Outbox {
  override answered(call: ExchangeCall, answer: Pick<ExchangeAnswer, "verdicts" | "poolLife">): void {
    for (const { ok, slotId } of answer.verdicts)
      if (ok && !this.awaits(slotId)) this.giveBack(slotId, { isAwaited: true, nowMs: call.sentAtMs });
    super.answered(call, answer);
  }
}

class ForgetsNames extends Outbox {
  override failed(call: ExchangeCall, how: { error: unknown; mayRepeat: boolean }): void {
    super.failed({ ...call, returned: [] }, how);
  }
}

class AsksOnce extends Outbox {
  readonly #asked = new Set<string>();

  override take(nowMs: number): ExchangeCall | null {
    const call = super.take(nowMs);
    if (call === null) return null;
    const asks = call.asks.filter(({ slotId }) => !this.#asked.has(slotId));
    for (const { slotId } of asks) this.#asked.add(slotId);
    return Object.assign(call, { asks });
  }
}

/** Of those whose calls got no answer; those whose calls are known to have failed ask again. */
class GivesUpCallsAlone extends AsksOnce {
  #failed = new Set<string>();
  #all = new Set<string>();

  override take(nowMs: number): ExchangeCall | null {
    const call = Outbox.prototype.take.call(this, nowMs);
    if (call === null) return null;
    const asks = call.asks.filter(({ slotId }) => !this.#all.has(slotId) || this.#failed.has(slotId));
    for (const { slotId } of asks) this.#all.add(slotId);
    this.#failed = new Set();
    return Object.assign(call, { asks });
  }

  override failed(call: ExchangeCall, how: { error: unknown; mayRepeat: boolean }): void {
    super.failed(call, how);
    this.#failed = new Set([...this.#all].filter((slotId) => this.awaits(slotId)));
  }
}

class CallsWithoutPause extends Outbox {
  override seeToInMs(nowMs: number): number | null {
    return super.seeToInMs(nowMs) === null ? null : 0;
  }

  override take(nowMs: number): ExchangeCall | null {
    return super.take(nowMs) ?? super.take(nowMs + 2);
  }
}

class LosesWhatANewerCallFinds extends Mailboxes {
  override collect(holder: string, { number, answer }: HolderCall, nowMs: number): void {
    let isNew = true;
    super.collect(holder, { number, answer: (verdicts) => answer(isNew ? [] : verdicts) }, nowMs);
    isNew = false;
  }
}

/** A wait since the first asking is added to the time of the last one. */
class CountsFromTheLastAsking extends Mailboxes {
  override await(...[holder, asked]: Parameters<Mailboxes["await"]>): number {
    super.await(holder, asked);
    return asked.askedAtMs;
  }
}

function withOutbox(outbox: typeof Outbox): AskingParts {
  class BrokenLease extends ServiceLease {
    override readonly outbox = new outbox();
  }
  return { ...REAL, leaseOf: (holder, place, memory) => new BrokenLease(holder, place, memory) };
}

describe("canary: the simulation catches", () => {
  it.for<{ name: string; parts: AskingParts; first?: number; says: string }>([
    { name: "an isolate that returns a slot that came twice", parts: withOutbox(ReturnsWhatCameTwice), says: "which runs" },
    { name: "an isolate that forgets names in a call that failed", parts: withOutbox(ForgetsNames), says: "did not arrive" },
    { name: "an isolate that asks only once", parts: withOutbox(AsksOnce), says: "knows nothing of it" },
    { name: "an isolate that gives calls up and asks no more", parts: withOutbox(GivesUpCallsAlone), says: "knows nothing of it" },
    { name: "an isolate that calls without a pause", parts: withOutbox(CallsWithoutPause), says: "after its last call" },
    {
      name: "a mailbox that loses what a newer call finds",
      parts: { ...REAL, mailboxes: () => new LosesWhatANewerCallFinds() },
      says: "hears",
    },
    {
      name: "a name that is believed in since the last asking",
      parts: { ...REAL, mailboxes: () => new CountsFromTheLastAsking() },
      first: 153,
      says: "the ledger counts",
    },
  ])("$name", { timeout: 120_000 }, async ({ parts, first, says }) => {
    expect(await firstFailure(runOf(parts), { seeds: 200, first })).toContain(says);
  });
});
