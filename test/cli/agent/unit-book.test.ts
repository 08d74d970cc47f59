import { describe, it } from "vitest";
import { GONE_COUNT_MAX, RESERVATION_MS_MAX, UnitBook } from "#cli/agent/unit-book.ts";
import type { CapacityAnswer, CapacityOrder, CapacityUnit } from "#shared/protocol/capacity-provider.ts";

const OFFER = { offerId: "process", region: null, slotsMax: 50, pricePerHour: 0.1 };
const ORDER: CapacityOrder = { unitId: "echo-1", offerId: "process", service: "echo", slots: 20, pricePerHourMax: 1 };

function bookOf(unitCountMax = 2): UnitBook {
  return new UnitBook({ offers: [OFFER], unitCountMax });
}

function stateOf(answer: CapacityAnswer<CapacityUnit>): string {
  return answer.ok ? answer.value.state : answer.reason;
}

describe("orders", () => {
  it.for([
    { name: "of an offer that is not sold", order: { ...ORDER, offerId: "gpu" }, want: "unknown-offer" },
    { name: "of more slots than a unit has", order: { ...ORDER, slots: 51 }, want: "conflict" },
    { name: "below the price", order: { ...ORDER, pricePerHourMax: 0.09 }, want: "too-dear" },
    { name: "at the price", order: { ...ORDER, pricePerHourMax: 0.1 }, want: "reserved" },
  ])("$name", ({ order, want }, { expect }) => {
    const book = bookOf();
    expect(stateOf(book.reserve(order, 0))).toBe(want);
    expect(book.all).toHaveLength(want === "reserved" ? 1 : 0);
  });

  it("again are answered with the same unit, and no second one is made", ({ expect }) => {
    const book = bookOf();
    const first = book.reserve(ORDER, 0);
    expect(book.reserve(ORDER, 1)).toEqual(first);
    book.start("echo-1", 2);
    expect(stateOf(book.reserve(ORDER, 3))).toBe("starting");
    expect(book.all).toHaveLength(1);
  });

  it("under the same name for something else are refused", ({ expect }) => {
    const book = bookOf();
    book.reserve(ORDER, 0);
    expect(stateOf(book.reserve({ ...ORDER, slots: 21 }, 1))).toBe("conflict");
    expect(stateOf(book.reserve({ ...ORDER, service: "other" }, 1))).toBe("conflict");
  });

  it("that arrive after their stop start nothing, also where the stop came first", ({ expect }) => {
    const book = bookOf();
    book.reserve(ORDER, 0);
    book.stop("echo-1");
    book.stop("echo-2");
    expect(stateOf(book.reserve(ORDER, 1))).toBe("conflict");
    expect(stateOf(book.reserve({ ...ORDER, unitId: "echo-2" }, 1))).toBe("conflict");
    expect(stateOf(book.start("echo-1", 1))).toBe("conflict");
  });

  it("beyond unitCountMax find no capacity until a stopped one has really ended", ({ expect }) => {
    const book = bookOf(1);
    book.reserve(ORDER, 0);
    book.start("echo-1", 0);
    const second = { ...ORDER, unitId: "echo-2" };
    expect(stateOf(book.reserve(second, 1))).toBe("out-of-capacity");
    book.stop("echo-1");
    expect(stateOf(book.reserve(second, 2))).toBe("out-of-capacity");
    expect(book.offers(2)[0]?.availableCount).toBe(0);
    book.end("echo-1");
    expect(stateOf(book.reserve(second, 3))).toBe("reserved");
  });

  it("that nobody starts lapse", ({ expect }) => {
    const book = bookOf(1);
    book.reserve(ORDER, 0);
    expect(book.units("echo", RESERVATION_MS_MAX - 1)).toHaveLength(1);
    expect(book.units("echo", RESERVATION_MS_MAX)).toHaveLength(0);
    expect(book.offers(RESERVATION_MS_MAX)[0]?.availableCount).toBe(1);
  });

  it("that were stopped are remembered up to GONE_COUNT_MAX", ({ expect }) => {
    const book = bookOf();
    for (let index = 0; index <= GONE_COUNT_MAX; index += 1) book.stop(`echo-${index}`);
    expect(stateOf(book.reserve({ ...ORDER, unitId: "echo-0" }, 0))).toBe("reserved");
    expect(stateOf(book.reserve({ ...ORDER, unitId: "echo-1" }, 0))).toBe("conflict");
  });
});

describe("a unit", () => {
  it("that was drained while it started does not become ready, and is not started again", ({ expect }) => {
    const book = bookOf();
    book.reserve(ORDER, 0);
    book.start("echo-1", 0);
    book.drain("echo-1");
    book.becomeReady("echo-1", "http://127.0.0.1:1");
    expect(book.get("echo-1")).toMatchObject({ state: "draining", url: null });
    expect(stateOf(book.start("echo-1", 1))).toBe("conflict");
  });

  it("that never ran holds no place once it is stopped, also where it was drained", ({ expect }) => {
    const book = bookOf(1);
    book.reserve(ORDER, 0);
    book.drain("echo-1");
    book.stop("echo-1");
    expect(book.offers(0)[0]?.availableCount).toBe(1);
  });

  it("that failed and still runs holds its place until it has ended", ({ expect }) => {
    const book = bookOf(1);
    book.reserve(ORDER, 0);
    book.start("echo-1", 0);
    book.fail("echo-1", "hangs");
    book.stop("echo-1");
    expect(book.offers(0)[0]?.availableCount).toBe(0);
    book.end("echo-1");
    expect(book.offers(0)[0]?.availableCount).toBe(1);
  });

  it("that failed says why until it is stopped", ({ expect }) => {
    const book = bookOf();
    book.reserve(ORDER, 0);
    book.start("echo-1", 0);
    book.fail("echo-1", "exit code 3");
    expect(book.units("echo", 1)).toMatchObject([{ state: "failed", failure: "exit code 3" }]);
    expect(stateOf(book.start("echo-1", 1))).toBe("failed");
    expect(stateOf(book.drain("echo-1"))).toBe("failed");
    book.stop("echo-1");
    expect(book.units("echo", 2)).toEqual([]);
  });

  it("keeps its address while it drains", ({ expect }) => {
    const book = bookOf();
    book.reserve(ORDER, 0);
    book.start("echo-1", 0);
    book.becomeReady("echo-1", "http://127.0.0.1:1");
    expect(book.drain("echo-1")).toMatchObject({ ok: true, value: { state: "draining", url: "http://127.0.0.1:1" } });
    expect(book.units("other", 0)).toEqual([]);
  });
});
