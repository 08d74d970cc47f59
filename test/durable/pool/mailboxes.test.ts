import { describe, expect, it } from "vitest";
import { Mailboxes } from "#durable/pool/mailboxes.ts";
import { refuse } from "#shared/errors/refusal.ts";
import type { SlotVerdict } from "#shared/protocol/exchange.ts";

const HOLDER = "h";
const verdictOn = (slotId: string): SlotVerdict => ({ ...refuse("rejected-capacity", "None is free."), slotId, askedAtMs: 0 });

/** Mailboxes, with the slots that each call's answer was about; null: it stands. */
class Pool {
  readonly boxes = new Mailboxes();
  readonly answers: (readonly string[] | null)[] = [];

  await(...slotIds: readonly string[]): void {
    for (const slotId of slotIds) this.boxes.await(HOLDER, { slotId, askedAtMs: 0 });
  }

  call({ holder = HOLDER, nowMs = 0, number = this.answers.length + 1 } = {}): void {
    const index = this.answers.push(null) - 1;
    const answer = (verdicts: readonly SlotVerdict[]): void => {
      if (this.answers[index] !== null) throw new Error("it was answered before");
      this.answers[index] = verdicts.map(({ slotId }) => slotId);
    };
    this.boxes.collect(holder, { number, answer }, nowMs);
  }

  put(...slotIds: readonly string[]): void {
    for (const slotId of slotIds) this.boxes.put(HOLDER, verdictOn(slotId));
  }
}

describe("a call of a holder", () => {
  it("of which nobody waits is answered at once", () => {
    const pool = new Pool();
    pool.call();
    expect(pool.answers).toEqual([[]]);
  });

  it("that it has given up goes back empty before a newer one sets anything off: nobody may hear it any more", () => {
    for (const [countsFrom, heard] of [
      [1, [["r-1"], null]],
      [2, [[], ["r-1"]]],
    ] as const) {
      const pool = new Pool();
      pool.await("r-1", "r-2");
      pool.call();
      pool.boxes.giveUpBefore(HOLDER, countsFrom);
      pool.put("r-1");
      pool.boxes.deliver();
      pool.call();
      expect(pool.answers).toEqual(heard);
    }
  });

  it("that a newer one has overtaken goes back empty, and the newer one stands", () => {
    const pool = new Pool();
    pool.await("r-1", "r-2");
    pool.call({ number: 2 });
    pool.call({ number: 1 });
    expect(pool.answers).toEqual([null, []]);
    pool.put("r-1");
    pool.boxes.deliver();
    expect(pool.answers).toEqual([["r-1"], []]);
    // Nor where none stands any more.
    pool.call({ number: 1 });
    pool.put("r-2");
    pool.boxes.deliver();
    pool.call({ number: 3 });
    expect(pool.answers).toEqual([["r-1"], [], [], ["r-2"]]);
  });

  it("stands while somebody waits and there is nothing, and brings all that was decided together", () => {
    const pool = new Pool();
    pool.await("r-1", "r-2", "r-3");
    pool.call();
    pool.boxes.deliver();
    expect(pool.answers).toEqual([null]);
    pool.put("r-1", "r-3");
    expect(pool.answers).toEqual([null]);
    pool.boxes.deliver();
    expect(pool.answers).toEqual([["r-1", "r-3"]]);
    pool.boxes.deliver();
    pool.call();
    expect(pool.answers).toEqual([["r-1", "r-3"], null]);
  });

  it("is answered with nothing when a newer one comes, which stands in its place", () => {
    const pool = new Pool();
    pool.await("r-1");
    pool.call();
    pool.call();
    expect(pool.answers).toEqual([[], null]);
    pool.put("r-1");
    pool.boxes.deliver();
    expect(pool.answers).toEqual([[], ["r-1"]]);
  });

  it("brings at once what was decided while none stood", () => {
    const pool = new Pool();
    pool.await("r-1", "r-2");
    pool.put("r-1");
    pool.boxes.deliver();
    pool.call();
    expect(pool.answers).toEqual([["r-1"]]);
    pool.call();
    expect(pool.answers).toEqual([["r-1"], null]);
  });

  it("is answered when the last of whom it stands for has gone, and not before", () => {
    const pool = new Pool();
    pool.await("r-1", "r-2");
    pool.call();
    for (const [slotId, answer] of [
      ["r-1", null],
      ["r-2", []],
    ] as const) {
      pool.boxes.forget(HOLDER, slotId);
      pool.boxes.deliver();
      expect(pool.answers).toEqual([answer]);
    }
  });

  it("hears nothing of another holder's", () => {
    const pool = new Pool();
    pool.await("r-1");
    pool.boxes.await("other", { slotId: "r-2", askedAtMs: 0 });
    pool.call({ holder: "other" });
    pool.put("r-1", "r-2");
    pool.boxes.forget("other", "r-1");
    pool.boxes.deliver();
    expect(pool.answers).toEqual([null]);
    pool.call();
    expect(pool.answers).toEqual([null, ["r-1"]]);
  });
});

describe("a verdict", () => {
  it("on one that nobody waits for, or no more, is dropped", () => {
    const pool = new Pool();
    pool.boxes.put("nobody", verdictOn("r-1"));
    pool.await("r-1", "r-2", "r-3");
    pool.boxes.forget(HOLDER, "r-1");
    pool.put("r-1", "r-2", "r-2");
    pool.call();
    expect(pool.answers).toEqual([["r-2"]]);
    expect(pool.boxes.size).toBe(1);
  });

  it("answers the first asking of one that asks again while it waits, and the second of one that was decided", () => {
    const pool = new Pool();
    const ask = (askedAtMs: number): number => pool.boxes.await(HOLDER, { slotId: "r-1", askedAtMs });
    expect([ask(100), ask(1_100)]).toEqual([100, 100]);
    pool.put("r-1");
    expect(ask(2_100)).toBe(2_100);
    pool.boxes.forget(HOLDER, "r-1");
    expect(ask(3_100)).toBe(3_100);
  });
});

describe("a holder that has not called for a minute", () => {
  it("is forgotten with what there is for it, unless somebody of it waits", () => {
    const pool = new Pool();
    pool.await("r-1");
    pool.boxes.await("waiting", { slotId: "r-2", askedAtMs: 0 });
    pool.put("r-1");
    pool.call({ holder: "other", nowMs: 0 });
    expect(pool.boxes.size).toBe(3);
    pool.call({ holder: "other", nowMs: 59_999 });
    expect(pool.boxes.size).toBe(3);
    pool.call({ holder: "other", nowMs: 60_000 });
    expect(pool.boxes.size).toBe(2);
    pool.call({ nowMs: 60_001 });
    expect(pool.answers.at(-1)).toEqual([]);
  });

  it("is none where the clock was set ahead, which has ended everybody's wait: each is told", () => {
    const pool = new Pool();
    pool.await("r-1");
    pool.boxes.await("other", { slotId: "r-2", askedAtMs: 0 });
    pool.call({ nowMs: 30_000 });
    pool.call({ holder: "other", nowMs: 30_000 });
    pool.boxes.put("other", verdictOn("r-2"));
    pool.put("r-1");
    pool.call({ nowMs: 3_600_000 });
    pool.call({ holder: "other", nowMs: 3_600_000 });
    expect(pool.answers.slice(2)).toEqual([["r-1"], ["r-2"]]);
  });

  it("is one by a clock that was set back as well", () => {
    const pool = new Pool();
    pool.call({ holder: "silent", nowMs: 3_600_000 });
    pool.call({ nowMs: 0 });
    expect(pool.boxes.size).toBe(1);
  });
});
