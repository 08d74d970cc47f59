import { describe, expect, it } from "vitest";
import type { Payload, Socket, SocketOptions } from "#client/index.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { FakeWorld } from "./fake-world.ts";

interface Opened {
  readonly world: FakeWorld;
  readonly socket: Socket;
  readonly messages: Payload[];
  readonly events: unknown[];
}

async function open(options: Partial<SocketOptions> = {}, world = new FakeWorld()): Promise<Opened> {
  const messages: Payload[] = [];
  const events: unknown[] = [];
  const socket = world.client().connect("echo", {
    onMessage: (payload) => messages.push(payload),
    onOnline: (isOnline) => events.push(isOnline ? "online" : "offline"),
    onRoom: () => events.push("room"),
    onLost: (end) => events.push({ lost: end.why, unacknowledged: end.unacknowledged.map(({ payload }) => payload), missed: end.missed }),
    onEnd: (end) => events.push(end),
    ...options,
  });
  await world.pass(1);
  return { world, socket, messages, events };
}

describe("a socket", () => {
  it("carries every message exactly once and in order, however often its connection breaks", async () => {
    const { world, socket, messages } = await open();
    const sent: string[] = [];
    for (let round = 0; round < 30; round += 1) {
      for (const text of [`a${round}`, `b${round}`]) expect(socket.send(text)).toBe(true);
      world.push(`p${round}`);
      sent.push(`a${round}`, `b${round}`);
      if (round % 3 === 0) world.socket.cut();
      if (round % 5 === 0) world.push(`q${round}`);
      if (round % 4 === 0) await world.pass(60_000);
    }
    await world.pass(60_000);
    expect(world.seen).toEqual(sent);
    const pushed = Array.from({ length: 30 }, (_, round) => (round % 5 === 0 ? [`p${round}`, `q${round}`] : [`p${round}`])).flat();
    expect(messages).toEqual(pushed);
    expect(world.sessions.size).toBe(1);
  });

  it("carries binary, of which the caller may use the buffer again", async () => {
    const { world, socket } = await open();
    world.socket.cut();
    const bytes = new Uint8Array([1, 2, 3]);
    socket.send(bytes);
    bytes.fill(9);
    await world.pass(10_000);
    expect(world.seen).toEqual([new Uint8Array([1, 2, 3])]);
  });

  it("never puts a token into a URL, and brings the newest one for the session", async () => {
    const { world } = await open();
    expect(world.socket.protocols).toEqual(["tidegate.v1", "tidegate.bearer.t0"]);
    world.socket.cut();
    await world.pass(10_000);
    expect(world.socket.protocols[2]).toMatch(/^tidegate\.resume\.echo-1\.session-0+1\.s+1$/);
    world.socket.cut();
    await world.pass(10_000);
    expect(world.socket.protocols[2]).not.toBe(world.sockets[1]?.protocols[2]);
  });

  it("says when its window is full, and when there is room", async () => {
    const { world, socket, events } = await open();
    world.isStalled = true;
    let count = 0;
    while (socket.send("x")) count += 1;
    expect(count).toBe(RESUME.windowCountMax);
    world.isStalled = false;
    const [sessionId] = world.sessions.keys();
    world.step(sessionId ?? "", { kind: "delivered", upTo: 1 });
    expect(events).toEqual(["online", "room"]);
    expect(socket.send("x")).toBe(true);
  });

  it("refuses a message that is too large", async () => {
    const { socket } = await open();
    expect(() => socket.send(new Uint8Array(RESUME.messageBytesMax + 1))).toThrow("expected at most 1048576");
  });

  it("waits as long as the gateway asks when an upgrade is refused, and a random while more", async () => {
    const world = new FakeWorld();
    world.refusesUpgrades = true;
    world.answer = () => new Response("{}", { status: 503, headers: { "retry-after": "7" } });
    await open({}, world);
    expect(world.posts.map(({ url, init }) => `${init.method} ${url}`)).toEqual(["POST https://gateway.example/connect/echo"]);
    await world.pass(7_240);
    expect(world.sockets).toHaveLength(1);
    await world.pass(20);
    expect(world.sockets).toHaveLength(2);
  });

  it("waits longer with every failure, up to a bound", async () => {
    const world = new FakeWorld();
    world.refusesUpgrades = true;
    await open({}, world);
    const opened: number[] = [];
    for (let second = 0; second < 300; second += 1) {
      const before = world.sockets.length;
      await world.pass(1_000);
      if (world.sockets.length > before) opened.push(second);
    }
    const gaps = opened.slice(1).map((at, index) => at - (opened[index] ?? 0));
    expect(Math.max(...gaps)).toBe(15);
    expect(gaps.slice(-3)).toEqual([15, 15, 15]);
  });

  it("asks for another token when its own is refused", async () => {
    const world = new FakeWorld();
    world.refusesUpgrades = true;
    world.answer = () => new Response("{}", { status: 401 });
    const asked: boolean[] = [];
    const token = (isRefused: boolean): string => {
      asked.push(isRefused);
      return `t${asked.length}`;
    };
    world.client({ token }).connect("echo", { onMessage: () => undefined });
    await world.pass(1);
    world.refusesUpgrades = false;
    await world.pass(1_000);
    expect(asked).toEqual([false, true]);
    expect(world.socket.protocols[1]).toBe("tidegate.bearer.t2");
  });

  it("ends where coming back does not help", async () => {
    const world = new FakeWorld();
    world.refusesUpgrades = true;
    world.answer = () => new Response("no", { status: 403 });
    const { events } = await open({}, world);
    await world.pass(60_000);
    expect(events).toEqual([{ kind: "refused", status: 403, detail: "no" }]);
    expect(world.sockets).toHaveLength(1);
    expect(world.timerCount).toBe(0);
  });

  it("gives a connection up that is silent, and resumes", async () => {
    const { world, events } = await open();
    world.isMute = true;
    await world.pass(2 * RESUME.silenceMsMax + 1);
    expect(world.sockets[0]?.closedWith).toBe(4_008);
    world.isMute = false;
    await world.pass(1_000);
    expect(events).toEqual(["online", "offline", "online"]);
    expect(world.sessions.size).toBe(1);
  });

  it("moves on within the grace of a drain, and loses nothing", async () => {
    const { world, socket, messages } = await open();
    const [sessionId = ""] = world.sessions.keys();
    world.step(sessionId, { kind: "drain", reason: "deploy", graceMs: 10_000 });
    await world.pass(4_999);
    expect(world.sockets).toHaveLength(1);
    socket.send("x");
    await world.pass(10);
    world.push("y");
    await world.pass(10);
    expect(world.sockets.map(({ closedWith }) => closedWith)).toEqual([4_000, null]);
    expect([world.seen, messages]).toEqual([["x"], ["y"]]);
  });

  it("is told precisely what a session that is over leaves open, and begins a new one", async () => {
    const { world, socket, events, messages } = await open();
    world.isStalled = true;
    socket.send("in doubt");
    world.socket.cut();
    world.push("missed");
    const [sessionId = ""] = world.sessions.keys();
    world.step(sessionId, { kind: "fail", why: "expired", code: 1_008, reason: "session expired" });
    world.isStalled = false;
    await world.pass(10_000);
    expect(events).toEqual([
      "online",
      "offline",
      { lost: "expired", unacknowledged: ["in doubt"], missed: { first: 1, last: 1 } },
      "online",
    ]);
    socket.send("again");
    world.push("new");
    expect([world.seen, messages]).toEqual([["again"], ["new"]]);
    expect(world.sessions.size).toBe(2);
  });

  it("hears the endpoint's close with its code, after the last message", async () => {
    const { world, messages, events } = await open();
    world.push("last");
    const [sessionId = ""] = world.sessions.keys();
    world.step(sessionId, { kind: "close", code: 4_007, reason: "enough" });
    await world.pass(1_000);
    expect(messages).toEqual(["last"]);
    expect(events).toEqual(["online", { kind: "closed", code: 4_007, reason: "enough", unacknowledged: [], missed: null }]);
    expect(world.timerCount).toBe(0);
  });

  it("closes when everything was acknowledged, and ends the session", async () => {
    const { world, socket, events } = await open();
    world.isStalled = true;
    socket.send("x");
    socket.close();
    expect(socket.send("y")).toBe(false);
    expect(world.socket.isOpen).toBe(true);
    const [sessionId = ""] = world.sessions.keys();
    world.step(sessionId, { kind: "delivered", upTo: 1 });
    expect(world.socket.closedWith).toBe(1_000);
    expect(events.at(-1)).toMatchObject({ kind: "closed", code: 1_000, unacknowledged: [] });
    expect(world.sessions.get(sessionId)?.end).toMatchObject({ why: "closed" });
    expect(world.timerCount).toBe(0);
  });

  it("closes after five seconds all the same, and says what was not acknowledged", async () => {
    const { world, socket, events } = await open();
    world.isStalled = true;
    socket.send("x");
    socket.close();
    await world.pass(5_001);
    expect(events.at(-1)).toMatchObject({ kind: "closed", unacknowledged: [{ sequence: 1, payload: "x" }] });
  });

  it("ends with its signal, before and after it is open", async () => {
    const aborter = new AbortController();
    const { world, events } = await open({ signal: aborter.signal });
    aborter.abort();
    expect(world.socket.closedWith).toBe(1_000);
    expect(events).toHaveLength(2);
    expect(world.timerCount).toBe(0);
    const other = await open({ signal: AbortSignal.abort() });
    expect(other.world.sockets).toHaveLength(0);
    expect(other.events).toMatchObject([{ kind: "closed" }]);
  });

  it("keeps its session when the application throws", async () => {
    let count = 0;
    const { world } = await open({
      onMessage() {
        count += 1;
        throw new Error("mine");
      },
    });
    world.push("1");
    world.push("2");
    expect(count).toBe(2);
    await expect(world.pass(1)).rejects.toThrow("mine");
  });

  it("reports what it saw where that is wanted", async () => {
    const world = new FakeWorld();
    const socket = world.client({ reportIntervalMs: 30_000 }).connect("echo", { onMessage: () => undefined });
    await world.pass(1);
    socket.send("four");
    world.push("!");
    await world.pass(30_001);
    const report = world.posts.find(({ url }) => url.endsWith("/v1/report"));
    expect(JSON.parse(report?.init.body as string)).toMatchObject({
      service: "echo",
      messagesSent: 1,
      messagesReceived: 1,
      bytesSent: 4,
      bytesReceived: 1,
      drops: 0,
      latenciesMs: [0],
    });
    socket.close();
    await world.pass(60_000);
    expect(world.posts.filter(({ url }) => url.endsWith("/v1/report"))).toHaveLength(1);
  });

  it("reports on its connection where that takes it, and where there is none by a request, and nothing where nothing happened", async () => {
    const world = new FakeWorld();
    world.terms = { reportMs: 5_000 };
    const socket = world.client({ reportIntervalMs: 30_000 }).connect("echo", { onMessage: () => undefined });
    await world.pass(1);
    socket.send("four");
    await world.pass(30_001);
    expect(world.reports).toMatchObject([{ messagesSent: 1, bytesSent: 4, drops: 0, latenciesMs: [0] }]);
    await world.pass(90_000);
    expect(world.reports).toHaveLength(1);
    world.refusesUpgrades = true;
    world.socket.cut();
    await world.pass(30_000);
    const posted = world.posts.filter(({ url }) => url.endsWith("/v1/report"));
    expect(posted.map(({ init }) => (JSON.parse(init.body as string) as { drops: number }).drops > 0)).toEqual([true]);
    socket.close();
  });

  it("sends as fast as its gateway says, says no to more, and when there is room again", async () => {
    const world = new FakeWorld();
    world.terms = { rate: { perSecond: 10, burst: 3 } };
    const { socket, events } = await open({}, world);
    const tries = (): boolean[] => [1, 2, 3, 4].map((text) => socket.send(`${text}`));
    expect(tries()).toEqual([true, true, true, false]);
    await world.pass(104);
    expect([events, socket.send("x")]).toEqual([["online"], false]);
    await world.pass(2);
    expect([events, tries()]).toEqual([
      ["online", "room"],
      [true, false, false, false],
    ]);
    // The next connection has terms of its own.
    world.terms = {};
    world.socket.cut();
    await world.pass(60_000);
    expect(Array.from({ length: 200 }, () => socket.send("y"))).not.toContain(false);
  });
});
