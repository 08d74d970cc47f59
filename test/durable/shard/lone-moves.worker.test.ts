// Who is closed that was told to leave, and what is remembered of those that were.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LoneMoves } from "#durable/shard/lone-moves.ts";
import { SECOND_MS } from "#shared/units.ts";

type Shell = ConstructorParameters<typeof LoneMoves>[0];
type Session = { attempt: number; detachedAtMs: number | null; end: object | null };

const START_MS = 1_000_000;
let nowMs = START_MS;
beforeEach(() => {
  nowMs = START_MS;
  vi.spyOn(Date, "now").mockImplementation(() => nowMs);
});
afterEach(() => vi.restoreAllMocks());

function shardWith(sessions: Readonly<Record<string, Session>>) {
  const stepped: string[] = [];
  /** Sessions that were asked for where they have gone. */
  const looked: string[] = [];
  const host = {
    load: (sessionId: string) => (sessions[sessionId] === undefined ? undefined : { state: { sessionId, ...sessions[sessionId] } }),
    step: ({ state }: { state: { sessionId: string } }, [{ kind }]: [{ kind: string }]) => void stepped.push(`${state.sessionId} ${kind}`),
  };
  const alarm = { wakeAt: () => undefined };
  const store = { movedTo: (sessionId: string) => (looked.push(sessionId), null) };
  const lone = new LoneMoves({ ctx: { getWebSockets: () => [] }, store, host, alarm } as unknown as Shell);
  return { lone, stepped, looked };
}

describe("a device that was told to leave", () => {
  it("is closed when its time is up, once, where it did not", () => {
    const { lone, stepped } = shardWith({ a: { attempt: 1, detachedAtMs: null, end: null } });
    lone.letGo(["a"]);
    expect(lone.onAlarm(nowMs)).toBe(START_MS + 5 * SECOND_MS);
    nowMs += 5 * SECOND_MS;
    expect(lone.onAlarm(nowMs)).toBe(Infinity);
    lone.onAlarm(nowMs);
    expect(stepped).toEqual(["a drain", "a dropped"]);
  });

  it("and came back, because no other shard has room, is not closed", () => {
    const session = { attempt: 1, detachedAtMs: null, end: null };
    const { lone, stepped } = shardWith({ a: session });
    lone.letGo(["a"]);
    session.attempt = 2;
    nowMs += 5 * SECOND_MS;
    lone.onAlarm(nowMs);
    expect(stepped).toEqual(["a drain"]);
  });

  it("is told here how its session ended, where it did meanwhile", () => {
    const session: Session = { attempt: 1, detachedAtMs: null, end: null };
    const { lone } = shardWith({ a: session });
    lone.letGo(["a"]);
    const resumption = { service: "echo", tenant: "acme", device: "d-1", sessionId: "a", secret: "" };
    expect([lone.leaving(resumption, false), lone.leaving(resumption, true)]).not.toContain(undefined);
    session.end = {};
    expect([lone.leaving(resumption, false), lone.leaving(resumption, true)]).toEqual([undefined, undefined]);
  });

  it("is remembered for a minute, also where nobody asks", () => {
    const ids = Array.from({ length: 100 }, (_, index) => `s-${index}`);
    const { lone, looked } = shardWith(Object.fromEntries(ids.map((id) => [id, { attempt: 1, detachedAtMs: null, end: null }])));
    for (const id of ids) {
      lone.letGo([id]);
      nowMs += 10 * SECOND_MS;
      lone.onAlarm(nowMs);
    }
    // As if all of it were within the minute.
    nowMs = START_MS;
    lone.goneTo();
    expect(looked).toEqual(ids.slice(-6));
  });
});
