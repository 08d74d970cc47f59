import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startBackend } from "#bench/gateway/backend-process.ts";
import { closedLoop } from "#bench/gateway/load/closed-loop.ts";
import { completeStatus, STATUS_LOST } from "#bench/gateway/load/connection.ts";
import { openLoop, scheduleOf } from "#bench/gateway/load/open-loop.ts";
import { Tally } from "#bench/gateway/load/tally.ts";

const REQUEST = Buffer.from("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
const STALL_MS = 300;

let server: Server;
let port: number;
let seen = 0;
let answer: (isFirst: boolean) => { delayMs: number } | "reset";

beforeEach(async () => {
  seen = 0;
  answer = () => ({ delayMs: 0 });
  server = createServer((request, response) => {
    const what = answer(seen++ === 0);
    if (what === "reset") request.socket.resetAndDestroy();
    else if (what.delayMs === 0) response.end("ok");
    else setTimeout(() => response.end("ok"), what.delayMs);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

it.for([
  { name: "nothing yet", text: "HTTP/1.1 200 OK\r\ncontent-le", want: null },
  { name: "half a body", text: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", want: null },
  { name: "a whole body", text: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", want: 200 },
  { name: "an empty body", text: "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", want: 503 },
  { name: "a status without a body", text: "HTTP/1.1 204 No Content\r\n\r\n", want: 204 },
  { name: "chunks before the last", text: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", want: null },
  { name: "chunks with the last", text: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", want: 200 },
  { name: "the last chunk alone", text: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", want: 200 },
])("a response is complete with its last byte: $name", ({ text, want }) => {
  expect(completeStatus(text)).toBe(want);
});

it("an open loop counts a stall against every request that was due in it", async () => {
  let untilMs = 0;
  answer = (isFirst) => {
    if (isFirst) untilMs = performance.now() + STALL_MS;
    return { delayMs: Math.max(0, untilMs - performance.now()) };
  };
  const { tallies, countedMs } = await openLoop({
    port,
    streams: [{ name: "all", ratePerSecond: 200, requests: [REQUEST] }],
    durationMs: 1_000,
    seed: 1,
  });
  const tally = tallies.get("all");
  expect(countedMs).toBe(1_000);
  expect(tally?.count2xx).toBe(seen);
  // The stall is 30 % of the time: a generator that waits for answers would have sent one request in it, and seen a p95 of a millisecond.
  expect(tally?.quantileMs(0.95)).toBeGreaterThan(STALL_MS / 2);
});

it("what is answered after the counted time is served late, and no part of a rate", async () => {
  answer = () => ({ delayMs: STALL_MS });
  const streams = [{ name: "all", ratePerSecond: 100, requests: [REQUEST] }];
  const { tallies, servedInTime } = await openLoop({ port, streams, durationMs: STALL_MS, seed: 1 });
  expect(tallies.get("all")?.count2xx).toBeGreaterThan(0);
  expect(servedInTime.get("all")).toBe(0);
});

it("the backend tells how many it had at once, with and without those whose connection closed before their answer", async () => {
  const backend = await startBackend();
  try {
    await backend.setDelay(1_000);
    const [cut, kept] = [connect(backend.port, "127.0.0.1"), connect(backend.port, "127.0.0.1")];
    const answered = once(kept, "data");
    for (const socket of [cut, kept]) socket.write(REQUEST);
    for (let { inFlight } = await backend.stats(); inFlight < 2;) ({ inFlight } = await backend.stats());
    cut.destroy();
    await answered;
    const { inFlightMax, answeredInFlightMax } = await backend.stats();
    expect([inFlightMax, answeredInFlightMax]).toEqual([2, 1]);
    kept.destroy();
  } finally {
    await backend.stop();
  }
});

it("a connection that is reset is an answer that was lost, and no latency", async () => {
  answer = () => "reset";
  const { tallies } = await openLoop({
    port,
    streams: [{ name: "all", ratePerSecond: 100, requests: [REQUEST] }],
    durationMs: 200,
    seed: 1,
  });
  const tally = tallies.get("all");
  expect(tally?.total).toBe(scheduleOf([{ name: "all", ratePerSecond: 100, requests: [REQUEST] }], 200, 1).length);
  expect(tally?.statuses.get(STATUS_LOST)).toBe(tally?.total);
  expect(tally?.count2xx).toBe(0);
});

it("a closed loop measures between its edges what it counts", async () => {
  const edges: number[] = [];
  const { tally, burstMs } = await closedLoop({
    port,
    requests: [REQUEST, REQUEST],
    leadMs: 20,
    durationMs: 100,
    onEdge: () => edges.push(seen),
  });
  const [first = 0, last = 0] = edges;
  // Each connection has been answered once, and then for the lead, before the first edge.
  expect(first).toBeGreaterThan(2);
  expect(last - first).toBe(tally.total);
  expect(tally.total).toBeGreaterThan(2);
  expect(burstMs).toBeGreaterThan(0);
});

it("a schedule keeps its rate, its seed and its order", () => {
  const stream = (name: string, ratePerSecond: number) => ({ name, ratePerSecond, requests: [REQUEST] });
  const streams = [stream("a", 1_000), stream("b", 100), stream("never", 0)];
  const schedule = scheduleOf(streams, 10_000, 7);
  const count = (name: string): number => schedule.filter((arrival) => arrival.stream.name === name).length;
  // Poisson with mean 10,000 and 1,000: five standard deviations.
  expect(Math.abs(count("a") - 10_000)).toBeLessThan(500);
  expect(Math.abs(count("b") - 1_000)).toBeLessThan(160);
  expect(count("never")).toBe(0);
  expect(schedule.every(({ atMs }, index) => atMs >= (schedule[index - 1]?.atMs ?? 0) && atMs < 10_000)).toBe(true);
  expect(scheduleOf(streams, 10_000, 7).map(({ atMs }) => atMs)).toEqual(schedule.map(({ atMs }) => atMs));
});

it("a quantile is over what was served, and counts every status", () => {
  const tally = new Tally();
  for (let latencyMs = 100; latencyMs >= 1; latencyMs -= 1) tally.count(200, latencyMs);
  tally.count(503, 1_000);
  expect([tally.quantileMs(0.5), tally.quantileMs(0.99), tally.quantileMs(1)]).toEqual([50, 99, 100]);
  expect([tally.total, tally.count2xx]).toEqual([101, 100]);
});
