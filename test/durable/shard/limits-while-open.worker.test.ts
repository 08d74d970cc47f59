// A limit that is added, or lifted, while sockets are open and nobody opens another: their Shard object asks its pool, at most once a minute, and
// only where messages pass. The clock of the tests is set forward; nothing waits for a minute.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { askMsMaxOf } from "#durable/shard/ask-interval.ts";
import type { PaceAnswer, PaceQuestion } from "#shared/protocol/pace-question.ts";
import { poolName, type RenewMessage } from "#shared/protocol/pool-rpc.ts";
import {
  acknowledgedOf,
  bytesMostSince,
  kib,
  KIB,
  numbersOf,
  pacedShard,
  silence,
  SLOW,
  stubEndpoints,
  upTo,
  type PacedConnection,
} from "../../support/worker/paced-shard.ts";

const MINUTE_MS = 60_000;
const WAIT = { timeout: 20_000, interval: 20 };
const realNow = Date.now.bind(Date);
let offsetMs = 0;
const later = (ms: number): void => void (offsetMs += ms);

beforeAll(stubEndpoints);
beforeEach(() => {
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + offsetMs);
});
const mocks: { mockRestore(): void }[] = [];
afterEach(() => {
  for (const mock of mocks.splice(0)) mock.mockRestore();
});

type PacedShard = Awaited<ReturnType<typeof pacedShard>>;

const asked = async ({ stats }: Pick<PacedShard, "stats">): Promise<number> => (await stats()).counters.paceCalls;

/** Instead of the service's pool's own, until the test is over. */
async function answerInstead(service: string, paces: (question: PaceQuestion) => Promise<PaceAnswer>): Promise<void> {
  await runInDurableObject(env.POOL.get(env.POOL.idFromName(poolName(service))), (instance) => {
    const prototype = Object.getPrototypeOf(instance) as { paces: (question: PaceQuestion) => Promise<PaceAnswer> };
    mocks.push(vi.spyOn(prototype, "paces").mockImplementation(paces));
  });
}

const KINDS = [
  { kind: "session", mode: "http", side: "endpoint" },
  { kind: "session", mode: "websocket", side: "device" },
  { kind: "plain", mode: "http", side: "endpoint" },
  { kind: "plain", mode: "http", side: "device" },
  { kind: "plain", mode: "websocket", side: "endpoint" },
  { kind: "plain", mode: "websocket", side: "device" },
] as const;

/** Yields by how much the clock is to be set forward. */
async function* holdAndLift({ kind, mode, side }: (typeof KINDS)[number]): AsyncGenerator<number> {
  const service = `${kind}-${mode}-${side}`;
  const shard = await pacedShard(service, { quota: {}, mode });
  const { endpoint, open, openPlain, push, limit, renewals, settled } = shard;
  const connection = kind === "session" ? await open() : await openPlain();
  let name = 0;
  const say = async (): Promise<void> => {
    name += 1;
    if (side === "device") await push(kib(name));
    else connection.socket.send(kind === "session" ? `m${name}:${kib(name)}` : kib(name));
  };
  const came = (): number => {
    if (side === "endpoint") return endpoint.got.length;
    return kind === "session" ? numbersOf(connection).length : connection.frames.length;
  };
  await say();
  await vi.waitUntil(() => came() === 1, WAIT);
  await limit(SLOW);
  const bytesMost = bytesMostSince();
  yield MINUTE_MS;
  // The first asks. From the answer on they ask for credit.
  for (const count of upTo(200)) {
    await say();
    await vi.waitUntil(() => came() === 1 + count, WAIT);
    if ((await renewals()) > 0) break;
  }
  expect([service, await asked(shard), (await renewals()) > 0]).toEqual([service, 1, true]);
  const before = came();
  // More than a burst, and what was earned meanwhile.
  for (const _ of upTo(150)) await say();
  await settled(came);
  expect([service, (came() - before) * KIB <= bytesMost(), came() < name]).toEqual([service, true, true]);
  // What waits goes with the next renewal, which tells of a newer configuration as well: that is asked about ten seconds after the last question.
  await limit({});
  await vi.waitUntil(() => came() === name, WAIT);
  yield 10_000;
  await say();
  await vi.waitUntil(async () => (await asked(shard)) === 2, WAIT);
  await silence();
  const renewed = await renewals();
  for (const _ of upTo(40)) await say();
  await vi.waitUntil(() => came() === name, WAIT);
  await silence();
  expect([service, await renewals()]).toEqual([service, renewed]);
  connection.socket.close(1000);
}

it("messages of each kind of socket, each way, are held to a limit within a minute, and no more once it is lifted, though nobody opens another", async () => {
  // At the same time, but for the clock.
  const runs = KINDS.map(holdAndLift);
  for (;;) {
    const steps = await Promise.all(runs.map(async (run) => run.next()));
    if (steps.every(({ done }) => done === true)) break;
    later(steps[0]?.value ?? 0);
  }
});

/** Of a session that says one message after the other. */
function speaker({ socket, frames, closes }: PacedConnection): { say: () => Promise<void> } {
  let name = 0;
  const say = async (): Promise<void> => {
    socket.send(`m${(name += 1)}:${kib(name)}`);
    await expect.poll(() => acknowledgedOf({ socket, frames, closes }), { interval: 5 }).toBe(name);
  };
  return { say };
}

it("a question comes once a minute while messages pass, of all flows together, and none where they do not", async () => {
  const shard = await pacedShard("counted", { quota: {} });
  const { say } = speaker(await shard.open());
  for (const _ of upTo(60)) {
    await say();
    later(5_000);
  }
  const calls = await asked(shard);
  // In 300 seconds, each 45 to 60 after the one before; none of them asks for credit.
  expect([calls >= 4, calls <= 6, await shard.renewals()]).toEqual([true, true, 0]);
  await shard.limit({ bandwidthBytesPerSecond: 1_000_000 });
  later(60 * MINUTE_MS);
  await silence();
  expect([await asked(shard), await shard.renewals()]).toEqual([calls, 0]);
});

it("an object that wakes for a message, and sleeps again, asks nothing, however often", async () => {
  const shard = await pacedShard("wakes", { quota: {} });
  const { say } = speaker(await shard.open());
  for (const _ of upTo(5)) {
    await evictDurableObject(shard.shard());
    later(10 * MINUTE_MS);
    await say();
    await say();
  }
  await evictDurableObject(shard.shard());
  expect([await asked(shard), await shard.renewals()]).toEqual([0, 0]);
});

it("one that wakes for messages of a limited flow hears that it is limited no more, keeps that, and asks nothing then", async () => {
  const shard = await pacedShard("lone", { quota: { bandwidthBytesPerSecond: 1_000_000 } });
  const { say } = speaker(await shard.open());
  await say();
  await shard.limit({});
  await evictDurableObject(shard.shard());
  later(10 * MINUTE_MS);
  await say();
  await expect.poll(() => asked(shard)).toBe(1);
  await silence();
  await evictDurableObject(shard.shard());
  later(10 * MINUTE_MS);
  const before = await shard.renewals();
  await say();
  await silence();
  expect([await asked(shard), await shard.renewals()]).toEqual([1, before]);
});

it("a configuration that changes nothing for the limited flows of one that sleeps and wakes is asked about once", async () => {
  const quota = { bandwidthBytesPerSecond: 1_000_000 };
  const shard = await pacedShard("unchanged", { quota });
  const { say } = speaker(await shard.open());
  await say();
  await shard.limit({ ...quota, slots: 20 });
  for (const _ of upTo(2)) {
    await evictDurableObject(shard.shard());
    later(10 * MINUTE_MS);
    await say();
    await silence();
  }
  expect(await asked(shard)).toBe(1);
});

it("a limit that an edge brings which is behind, and that was lifted since, is asked about after the next sleep", async () => {
  const quota = { bandwidthBytesPerSecond: 1_000_000 };
  const shard = await pacedShard("older", { quota });
  const [versionBefore, stub] = [shard.version(), shard.shard()];
  const { say } = speaker(await shard.open());
  const wake = async (): Promise<void> => {
    await evictDurableObject(stub);
    later(10 * MINUTE_MS);
    await say();
  };
  await say();
  await shard.limit({ ...quota, slots: 20 });
  await wake();
  await expect.poll(() => asked(shard)).toBe(1);
  const older = { flow: "acme/silver", version: versionBefore, bytes: "held", isTimed: false } as const;
  await shard.openPlain(true, { pace: older });
  const bytesOfSilver = async (): Promise<unknown> =>
    runInDurableObject(stub, (_instance, { storage }) => {
      const [row] = storage.sql.exec<{ value: string }>("SELECT value FROM facts WHERE fact = 'pace acme/silver'").toArray();
      return (JSON.parse(row?.value ?? "{}") as { pace?: { bytes: unknown } }).pace?.bytes;
    });
  expect(await bytesOfSilver()).toBe("held");
  await wake();
  await expect.poll(() => asked(shard)).toBe(2);
  await expect.poll(bytesOfSilver).toBe(null);
});

it("a limit that casted a shadow and is enforced, or is another kind, reaches open sockets so", async () => {
  const shard = await pacedShard("enforced", { quota: { ...SLOW, mode: "shadow" } });
  const { endpoint, limit, settled, open } = shard;
  const connection = await open();
  const { say } = speaker(connection);
  await say();
  await limit(SLOW);
  const bytesMost = bytesMostSince();
  // Its bytes are told each second, and each answer has the configuration's number.
  await silence();
  await expect.poll(() => asked(shard)).toBe(1);
  for (const name of upTo(60)) connection.socket.send(`m${1 + name}:${kib(1 + name)}`);
  await settled(() => endpoint.got.length);
  expect((endpoint.got.length - 1) * KIB).toBeLessThanOrEqual(bytesMost());
});

it("a connection of another flow with a newer configuration is reason to ask at once", async () => {
  const shard = await pacedShard("news", { quota: {} });
  const { open, openPlain, limit, renewals } = shard;
  const { say } = speaker(await open());
  await say();
  await limit(SLOW);
  const { counters } = await shard.stats();
  expect(counters.paceCalls).toBe(0);
  await openPlain(true, { pace: { flow: "acme/silver", version: shard.version(), bytes: null, isTimed: false } });
  await expect.poll(() => asked(shard)).toBe(1);
  await say();
  await expect.poll(renewals).toBe(1);
});

it("a push to plain sockets that were silent since the object woke is a message of their flow", async () => {
  const shard = await pacedShard("pushed", { quota: {} });
  const { openPlain, limit, push, settled } = shard;
  const connection = await openPlain();
  await evictDurableObject(shard.shard());
  await limit(SLOW);
  const bytesMost = bytesMostSince();
  for (const name of upTo(40)) await push(kib(name));
  await expect.poll(() => asked(shard)).toBe(1);
  await expect.poll(() => connection.frames.length).toBe(40);
  for (const name of upTo(60)) await push(kib(40 + name));
  await settled(() => connection.frames.length);
  // Some were on their way before the answer came.
  await expect.poll(() => shard.renewals()).toBeGreaterThan(0);
  expect((connection.frames.length - 40) * KIB).toBeLessThanOrEqual(bytesMost());
  connection.socket.close(1000);
});

describe("a question that", () => {
  it("fails changes nothing, and is repeated a minute later and not before", async () => {
    const shard = await pacedShard("fails", { quota: SLOW });
    const connection = await shard.open();
    const { say } = speaker(connection);
    await say();
    let questions = 0;
    await answerInstead("fails", async () => {
      questions += 1;
      throw new Error("as a pool that cannot be reached");
    });
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    mocks.push(warn);
    for (const _ of upTo(24)) {
      later(10_000);
      await say();
    }
    expect([questions >= 3, questions <= 5]).toEqual([true, true]);
    expect(warn.mock.calls.length).toBe(questions);
    // Still held: more than what is left waits.
    for (const name of upTo(60)) connection.socket.send(`m${25 + name}:${kib(name)}`);
    await shard.settled(() => shard.endpoint.got.length);
    expect(shard.endpoint.got.length).toBeLessThan(85);
    await shard.limit({});
    await expect.poll(() => shard.endpoint.got.length).toBe(85);
  });

  it("is answered by a pool that is behind what has been heard limits nothing", async () => {
    const shard = await pacedShard("not-yet", { quota: {} });
    const { say } = speaker(await shard.open());
    await say();
    let questions = 0;
    await answerInstead("not-yet", async ({ configurationVersion, flows }) => {
      questions += 1;
      const version = configurationVersion - 1;
      return Promise.resolve({ version, paces: flows.map((flow) => ({ flow, version, bytes: "held", isTimed: false })) });
    });
    later(MINUTE_MS);
    await say();
    await expect.poll(() => questions).toBe(1);
    for (const _ of upTo(3)) await say();
    expect(await shard.renewals()).toBe(0);
  });

  it("is answered by a pool that is behind lifts nothing", async () => {
    const shard = await pacedShard("behind", { quota: SLOW });
    const connection = await shard.open();
    const { say } = speaker(connection);
    await say();
    let questions = 0;
    await answerInstead("behind", async ({ configurationVersion }) => {
      questions += 1;
      return Promise.resolve({ version: configurationVersion - 1, paces: [] });
    });
    later(MINUTE_MS);
    await say();
    await expect.poll(() => questions).toBe(1);
    for (const name of upTo(60)) connection.socket.send(`m${2 + name}:${kib(name)}`);
    await shard.settled(() => shard.endpoint.got.length);
    expect(shard.endpoint.got.length).toBeLessThan(62);
  });
});

it("a lone message that takes long at the endpoint is reason to ask, though none follows and nothing is answered", async () => {
  const shard = await pacedShard("lone-slow", { quota: {} });
  const { socket } = await shard.open();
  shard.endpoint.takes = async () => Promise.resolve(later(1_000));
  socket.send(`m1:${kib(1)}`);
  await expect.poll(async () => asked(shard)).toBe(1);
});

it("what was told without an answer is told with the first message after a sleep, once", async () => {
  const shard = await pacedShard("untold", { quota: { bandwidthBytesPerSecond: 1_000_000, mode: "shadow" } });
  const { stats } = shard;
  const bytes = async (): Promise<number> => (await stats()).counters.bytes["acme/gold"] ?? 0;
  const { say } = speaker(await shard.open());
  let lost = 0;
  await runInDurableObject(env.POOL.get(env.POOL.idFromName(poolName("untold"))), (instance) => {
    const prototype = Object.getPrototypeOf(instance) as { renew: (message: RenewMessage) => Promise<never> };
    mocks.push(
      vi.spyOn(prototype, "renew").mockImplementation(async ({ service }) => {
        // Objects of the tests before renew as well.
        if (service === "untold") lost += 1;
        return Promise.reject(new Error("as a pool that cannot be reached"));
      }),
    );
  });
  mocks.push(vi.spyOn(console, "warn").mockImplementation(() => undefined));
  await say();
  await expect.poll(() => lost).toBeGreaterThan(0);
  const before = lost;
  await say();
  await expect.poll(() => lost).toBeGreaterThan(before);
  // It sleeps before the pool is back.
  await evictDurableObject(shard.shard());
  for (const mock of mocks.splice(0)) mock.mockRestore();
  expect(await bytes()).toBe(0);
  await say();
  await expect.poll(bytes).toBe(3 * KIB);
  await evictDurableObject(shard.shard());
  await say();
  await expect.poll(bytes).toBe(4 * KIB);
});

it("the pool answers for limited flows alone, as its configuration has them, and asks the Registry where the object knows more", async () => {
  const shard = await pacedShard("answers", { quota: { bandwidthBytesPerSecond: 1_024, cpuSecondsPerSecond: 1 } });
  const pool = env.POOL.get(env.POOL.idFromName(poolName("answers")));
  await shard.stats();
  const question = { service: "answers", configurationVersion: 0, flows: ["acme/gold", "acme/silver", "__proto__", "nobody/gold"] };
  const version = shard.version();
  expect(await pool.paces(question)).toEqual({ version, paces: [{ flow: "acme/gold", version, bytes: "held", isTimed: true }] });
  await shard.limit({ slots: 3 });
  const next = await pool.paces({ ...question, configurationVersion: shard.version() });
  expect(next).toEqual({ version: shard.version(), paces: [] });
});

it.for([
  { bindings: {}, want: 60_000 },
  { bindings: { LIMITS_ASK_MS: "500" }, want: 60_000 },
  { bindings: { LIMITS_ASK_MS: "500", IS_LOOPBACK: "true" }, want: 500 },
  { bindings: { LIMITS_ASK_MS: "0", IS_LOOPBACK: "true" }, want: 60_000 },
  { bindings: { LIMITS_ASK_MS: "often", IS_LOOPBACK: "true" }, want: 60_000 },
])("the interval of $bindings is $want ms", ({ bindings, want }) => {
  expect(askMsMaxOf(bindings)).toBe(want);
});
