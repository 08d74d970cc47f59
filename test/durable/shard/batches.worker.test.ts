import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { LegEvents } from "#durable/shard/leg.ts";
import { payloadsOfRow, rowsOf } from "#durable/shard/message-rows.ts";
import { Turn } from "#durable/shard/turn.ts";
import { WebSocketLeg } from "#durable/shard/websocket-leg.ts";
import type { SessionRoute } from "#durable/shard/session-store.ts";
import type { Message, Payload } from "#shared/resume/frames.ts";

const messagesOf = (payloads: readonly Payload[], first = 1): Message[] =>
  payloads.map((payload, index) => ({ type: "message", sequence: first + index, payload }));
const plain = (payload: Payload): unknown => (typeof payload === "string" ? payload : [...payload]);

describe("a turn", () => {
  it("takes together what comes until nothing more does, in order, and writes each once, after all of it", async () => {
    const happened: string[] = [];
    const turn = new Turn<string>((saved) => happened.push(`save ${saved}`));
    const written = Promise.withResolvers<void>();
    const take = (name: string, of: string) => (): void => {
      happened.push(name);
      turn.touch(of);
      if (name !== "a") return;
      turn.atEnd(() => {
        happened.push("end");
        turn.run(() => turn.touch("late"));
        setTimeout(written.resolve, 0);
      });
    };
    turn.soon(take("a", "one"));
    turn.soon(take("b", "two"));
    turn.soon(take("c", "one"));
    expect(happened).toEqual([]);
    await written.promise;
    expect(happened).toEqual(["a", "b", "c", "end", "save one", "save two", "save late"]);
  });

  it("lets nothing leave before everything is written", () => {
    const happened: string[] = [];
    const turn = new Turn<string>((saved) => happened.push(`save ${saved}`));
    turn.run(() => {
      for (const name of ["one", "two"]) {
        turn.touch(name);
        turn.afterSave(() => happened.push(`send ${name}`));
      }
      turn.atEnd(() => turn.run(() => turn.touch("late")));
    });
    turn.afterSave(() => happened.push("send now"));
    expect(happened).toEqual(["save one", "save two", "save late", "send one", "send two", "send now"]);
  });

  it("lets nothing leave where it could not be written", () => {
    const happened: string[] = [];
    const turn = new Turn<string>(() => {
      throw new Error("disk full");
    });
    expect(() =>
      turn.run(() => {
        turn.touch("one");
        turn.afterSave(() => happened.push("sent"));
      }),
    ).toThrow("disk full");
    turn.run(() => undefined);
    expect(happened).toEqual([]);
  });

  it("ends although more comes with every round", async () => {
    const turn = new Turn<string>(() => undefined);
    let taken = 0;
    let isFlooding = true;
    const flood = (): void => {
      turn.soon(() => (taken += 1));
      if (isFlooding) setTimeout(flood, 0);
    };
    flood();
    await expect.poll(() => taken).toBeGreaterThan(0);
    isFlooding = false;
  });

  it("takes what is much at once", () => {
    const turn = new Turn<string>(() => undefined);
    let taken = 0;
    for (let count = 1; count < 1_024; count += 1) turn.soon(() => (taken += 1));
    expect(taken).toBe(0);
    turn.soon(() => (taken += 1));
    expect(taken).toBe(1_024);
  });

  it("writes what was changed before one of its parts failed", () => {
    const saved: string[] = [];
    const turn = new Turn<string>((one) => saved.push(one));
    expect(() =>
      turn.run(() => {
        turn.touch("changed");
        throw new Error("part");
      }),
    ).toThrow("part");
    expect(saved).toEqual(["changed"]);
  });
});

describe("messages as rows", () => {
  const payload = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.uint8Array({ maxLength: 40 }));

  it("come back as they were numbered", () => {
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 30 }), fc.integer({ min: 1, max: 1_000_000 }), (payloads, first) => {
        const back = rowsOf(messagesOf(payloads, first)).flatMap(payloadsOfRow);
        expect(back.map(({ sequence }) => sequence)).toEqual(payloads.map((_, index) => first + index));
        expect(back.map((one) => plain(one.payload))).toEqual(payloads.map(plain));
      }),
    );
  });

  it("share one where they are of a kind and small", () => {
    const counts = (payloads: readonly Payload[]): number[] => rowsOf(messagesOf(payloads)).map(({ count }) => count);
    const kib = (size: number): string => "x".repeat(size * 1_024);
    expect(counts(Array.from({ length: 256 }, () => "reading"))).toEqual([256]);
    expect(counts(["a", "b", new Uint8Array(1), new Uint8Array(2), "c"])).toEqual([2, 2, 1]);
    expect(counts([kib(40), kib(40), kib(1_024), kib(1), kib(1)])).toEqual([1, 1, 1, 2]);
    expect(counts([])).toEqual([]);
  });
});

describe("the endpoint's socket", () => {
  const route = {} as SessionRoute;

  function legOf() {
    const { 0: ours, 1: endpoint } = new WebSocketPair();
    const send = vi.spyOn(ours, "send");
    const sentAtSave: number[] = [];
    const turn = new Turn<string>(() => void sentAtSave.push(send.mock.calls.length));
    const delivered: number[] = [];
    const pushed: Payload[] = [];
    const received: string[] = [];
    endpoint.addEventListener("message", ({ data }) => void received.push(String(data)));
    endpoint.accept();
    const nothing = (): void => undefined;
    const events: LegEvents = {
      answered: nothing,
      delivered: (upTo) => delivered.push(upTo),
      push: (payload) => pushed.push(payload),
      closed: nothing,
      failed: nothing,
      received: () => 0,
      waitUntil: nothing,
      atEnd: (run) => turn.atEnd(run),
      afterSave: (run) => turn.afterSave(run),
    };
    return { turn, delivered, sentAtSave, received, pushed, endpoint, leg: new WebSocketLeg({ sessionId: "s", route, events }, ours) };
  }

  it("gets what came together at once, with one receipt for all of it before any is sent", async () => {
    const { turn, delivered, sentAtSave, received, leg } = legOf();
    turn.run(() => {
      for (const message of messagesOf(["a", "b", "c"])) leg.deliver(message);
      expect(delivered).toEqual([]);
      turn.touch("the receipt");
    });
    expect(delivered).toEqual([3]);
    expect(sentAtSave).toEqual([0]);
    await expect.poll(() => received).toEqual(["a", "b", "c"]);
  });

  it("is closed with 1012 before the session moves, and what it said until then still comes", async () => {
    const { pushed, endpoint, leg } = legOf();
    const closes: number[] = [];
    endpoint.addEventListener("close", ({ code }) => {
      closes.push(code);
      endpoint.close(code);
    });
    for (const text of ["a", "b", "c"]) endpoint.send(text);
    await leg.leave();
    expect(pushed).toEqual(["a", "b", "c"]);
    expect(closes).toEqual([1012]);
    await leg.leave();
  });

  it("gets at once what waits, where the session may end in the same turn", async () => {
    const { turn, delivered, received, leg } = legOf();
    turn.run(() => {
      for (const message of messagesOf(["a", "b"])) leg.deliver(message);
      leg.flush();
      expect(delivered).toEqual([2]);
      turn.afterSave(() => leg.stop({ why: "closed", code: 1000, reason: "" }));
    });
    expect(delivered).toEqual([2]);
    await expect.poll(() => received).toEqual(["a", "b"]);
  });
});

describe("a turn that has as many as there are lately", () => {
  afterEach(() => void vi.useRealTimers());

  function turnOf() {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const turn = new Turn<string>(() => undefined);
    const sizes: number[] = [];
    let waiting = 0;
    const come = (count: number, from: "device" | "endpoint" = "device"): void => {
      for (let one = 0; one < count; one += 1) {
        turn.soon(() => (waiting += 1), from);
        if (waiting > 0) sizes.push(waiting);
        waiting = 0;
      }
    };
    /** The event loop goes round. */
    const round = (rounds = 1): void => {
      for (let one = 0; one < rounds; one += 1) {
        vi.advanceTimersByTime(1);
        if (waiting > 0) sizes.push(waiting);
        waiting = 0;
      }
    };
    return { sizes, come, round };
  }

  it("waits for no more, once that has been seen often enough", () => {
    const { sizes, come, round } = turnOf();
    for (let turn = 1; turn <= 4; turn += 1) {
      come(3);
      expect(sizes.length).toBe(turn - 1);
      round(10);
    }
    come(2);
    expect(sizes).toEqual([3, 3, 3, 3]);
    come(1);
    expect(sizes).toEqual([3, 3, 3, 3, 3]);
  });

  it("waits again where more came soon after", () => {
    const { sizes, come, round } = turnOf();
    for (let turn = 0; turn < 4; turn += 1) {
      come(1);
      round(10);
    }
    come(1);
    expect(sizes).toEqual([1, 1, 1, 1, 1]);
    come(5);
    round(10);
    expect(sizes).toEqual([1, 1, 1, 1, 1, 5]);
    come(1);
    expect(sizes).toEqual([1, 1, 1, 1, 1, 5]);
  });

  it("does not take the endpoint's answers for more of the device's", () => {
    const { sizes, come, round } = turnOf();
    for (let turn = 0; turn < 4; turn += 1) {
      come(2, "device");
      round(10);
      come(3, "endpoint");
      round(10);
    }
    sizes.length = 0;
    for (let turn = 0; turn < 3; turn += 1) {
      come(2, "device");
      come(3, "endpoint");
      round(10);
    }
    expect(sizes).toEqual([2, 3, 2, 3, 2, 3]);
  });
});
