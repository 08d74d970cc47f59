// A load against a real server: open loop, every arrival counted once, outcomes by their names.
import { writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { HttpSender } from "#cli/load/http-sender.ts";
import { isUnreachable } from "#cli/load/load-report.ts";
import { tenantShares } from "#cli/load/mix.ts";
import { replay } from "#cli/load/replay.ts";
import { runLoad, type LoadOptions } from "#cli/load/run-load.ts";
import { TokenSource } from "#cli/load/token-source.ts";
import type { TracePoint } from "#cli/load/trace-point.ts";
import { openState } from "#cli/state.ts";
import { CONFIGURATION, OPERATOR_KEY, sendProblem, startFakeGateway, unusedUrl, type FakeGatewayOptions } from "./fake-gateway.ts";
import { stream } from "./async-items.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

/** So many arrivals within a few milliseconds. */
async function loadOf(
  count: number,
  options: Partial<LoadOptions> & { readonly url: string; readonly socketsShare?: number },
): Promise<LoadOptions> {
  const state = openState(await temporaryFolder());
  const { shares } = tenantShares(CONFIGURATION, ["acme", "umbrella"]);
  const keys = new Map([
    ["acme", await state.ensureTenantKeys("acme")],
    ["umbrella", await state.ensureTenantKeys("umbrella")],
  ]);
  const points: TracePoint[] = [{ atMs: 0, value: count }];
  return {
    points: stream(points),
    stepMs: 1_000,
    fromMs: 0,
    untilMs: 1_000,
    speed: 100,
    scale: 1,
    seed: 1,
    mix: { tenants: shares, devicesPerTenant: 3, socketsShare: options.socketsShare ?? 0 },
    classOrder: Object.keys(CONFIGURATION.classes),
    tokens: new TokenSource({ keys, tenants: shares, audience: "tidegate" }),
    inFlightMax: 1_000,
    timeoutMs: 10_000,
    signal: new AbortController().signal,
    progress: () => {},
    ...options,
  };
}

const sumOf = (outcomes: Readonly<Partial<Record<string, number>>>): number =>
  Object.values(outcomes).reduce<number>((sum, count) => sum + (count ?? 0), 0);

it("sends every arrival at its time although nobody answers yet", async () => {
  const held: ServerResponse[] = [];
  const { url, requests } = await startFakeGateway({
    // A closed loop would wait here for ever: no answer before the last request.
    answer: (_, response) => {
      held.push(response);
      if (held.length === 60) for (const each of held) each.end("ok");
    },
  });
  const report = await runLoad(await loadOf(60, { url }));
  expect(report).toMatchObject({ sent: 60, skipped: 0, endpointErrors: 0, outcomes: { "admitted-local": 60 } });
  expect(requests).toHaveLength(60);
});

it("counts what exceeds the in-flight maximum as skipped, and sends the rest", async () => {
  const held: ServerResponse[] = [];
  const { url } = await startFakeGateway({ answer: (_, response) => void held.push(response) });
  const options = await loadOf(30, {
    url,
    inFlightMax: 10,
    // Released once everything was sent or skipped.
    progress: (_, text) => {
      if (text.startsWith("10 sent, 10 open, 0 not served, 20 skipped") && held.length === 10)
        for (const response of held.splice(0)) response.end();
    },
  });
  expect(await runLoad(options)).toMatchObject({ sent: 10, skipped: 20, outcomes: { "admitted-local": 10 } });
});

it("sends as the mix says: token, priority, path, body", async () => {
  const { url, requests } = await startFakeGateway();
  const { sent, seed, mix } = await runLoad(await loadOf(80, { url, seed: 42 }));
  expect({ sent, seed }).toEqual({ sent: 80, seed: 42 });
  expect(mix).toMatchObject({ methods: { GET: 0.8, POST: 0.2 }, devicesPerTenant: 3 });
  expect(requests.map(({ path }) => Number(path.split("/").at(-1))).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 80 }, (_, index) => index),
  );
  for (const { method, path, headers, body } of requests) {
    expect(path).toMatch(/^\/s\/(echo|telemetry)\/load\/\d+$/);
    expect(headers.authorization).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
    expect(headers["priority"]).toMatch(/^u=[135]$/);
    expect(body.length).toBe(method === "POST" ? 1_024 : 0);
  }
  expect(new Set(requests.map(({ method }) => method))).toEqual(new Set(["GET", "POST"]));
});

it("sends the same requests for the same seed", async () => {
  const seen = await Promise.all(
    [7, 7, 8].map(async (seed) => {
      const { url, requests } = await startFakeGateway();
      await runLoad(await loadOf(40, { url, seed }));
      return requests.map(({ method, path, headers }) => `${method} ${path} ${String(headers["priority"])}`).toSorted();
    }),
  );
  expect(seen[0]).toEqual(seen[1]);
  expect(seen[0]).not.toEqual(seen[2]);
});

it("calls what came of each arrival by its name", async () => {
  const answers: FakeGatewayOptions["answer"][] = [
    (_, response) => void response.end("ok"),
    (_, response) => void response.writeHead(200, { "server-timing": "queue;dur=3" }).end(),
    (_, response) => void response.writeHead(500).end("the endpoint's own failure"),
    (_, response) => sendProblem(response, { status: 429, outcome: "rejected-quota", detail: "…" }),
    (_, response) => sendProblem(response, { status: 503, outcome: "rejected-queue-full", detail: "…" }),
    (_, response) => void response.destroy(),
    (_, response) => void response.writeHead(200, { "content-length": "100" }).write("half", () => response.destroy()),
    () => {},
  ];
  const { url } = await startFakeGateway({
    answer: (request, response) => answers[Number(request.path.split("/").at(-1)) % answers.length]?.(request, response),
  });
  const report = await runLoad(await loadOf(10 * answers.length, { url, timeoutMs: 500 }));
  expect(report.outcomes).toEqual({
    "admitted-local": 20,
    "admitted-queued": 10,
    "rejected-quota": 10,
    "rejected-queue-full": 10,
    "answer-broken": 20,
    "answer-timeout": 10,
  });
  expect(report.endpointErrors).toBe(10);
  expect(sumOf(report.outcomes)).toBe(report.sent);
  expect(Object.keys(report.latencyMs)).toEqual(["gold", "silver", "bronze"]);
  for (const { p50, p95, p99 } of Object.values(report.latencyMs)) {
    expect(p50).toBeGreaterThan(0);
    expect(p95).toBeGreaterThanOrEqual(p50 ?? Infinity);
    expect(p99).toBeGreaterThanOrEqual(p95 ?? Infinity);
  }
  expect(report.lagMs.p99).toBeGreaterThanOrEqual(report.lagMs.p50 ?? Infinity);
});

it("retries once where a kept connection was closed as it was used", async () => {
  let count = 0;
  // Each connection serves one request, then dies on the next one without a word: as idle connections do.
  const used = new WeakSet<object>();
  const { url } = await startFakeGateway({
    answer: (_, response) => {
      const { socket } = response;
      if (socket && used.has(socket)) return void socket.destroy();
      if (socket) used.add(socket);
      count++;
      response.end("ok");
    },
  });
  // Spread out, so that connections are reused.
  const report = await runLoad(await loadOf(20, { url, speed: 5 }));
  expect(report.outcomes).toEqual({ "admitted-local": 20 });
  expect(count).toBe(20);
});

it("knows that nobody was there", async () => {
  const report = await runLoad(await loadOf(20, { url: await unusedUrl(), socketsShare: 0.5 }));
  expect(report.outcomes).toEqual({ unreachable: 20 });
  expect(isUnreachable(report)).toBe(true);
  expect(isUnreachable({ ...report, outcomes: { unreachable: 19, "rejected-quota": 1 } })).toBe(false);
});

it("opens sockets, awaits each echo, and closes with 1000", async () => {
  const closes: number[] = [];
  let openMax = 0;
  const { url, upgrades } = await startFakeGateway({
    converse: (socket) => {
      let waiting = 0;
      socket.on("message", (data) => {
        waiting++;
        openMax = Math.max(openMax, waiting);
        setImmediate(() => {
          waiting--;
          socket.send(data);
        });
      });
      socket.on("close", (code) => closes.push(code));
    },
  });
  const report = await runLoad(await loadOf(12, { url, socketsShare: 1 }));
  expect(report.outcomes).toEqual({ "admitted-queued": 12 });
  await expect.poll(() => closes).toEqual(Array.from({ length: 12 }, () => 1_000));
  expect(openMax).toBe(1);
  for (const { url: path, headers } of upgrades) {
    expect(path).toMatch(/^\/connect\/(echo|telemetry)$/);
    expect(headers["sec-websocket-protocol"]).toMatch(/^app, tidegate\.bearer\.[\w-]+\.[\w-]+\.[\w-]+$/);
  }
});

it.for([
  { name: "a refused upgrade", converse: undefined, want: "socket-refused" },
  { name: "a close in the middle", converse: (socket) => void socket.on("message", () => socket.close(1011)), want: "socket-broken" },
  { name: "a silent endpoint", converse: () => {}, want: "socket-broken" },
] satisfies { name: string; converse: FakeGatewayOptions["converse"]; want: string }[])("calls $name $want", async ({ converse, want }) => {
  const { url } = await startFakeGateway(converse === undefined ? {} : { converse });
  const report = await runLoad(await loadOf(5, { url, socketsShare: 1, timeoutMs: 500 }));
  expect(report.outcomes).toEqual({ [want]: 5 });
});

it("ends early when it is told to, and still accounts for every arrival", async () => {
  const interrupt = new AbortController();
  const { url, requests } = await startFakeGateway({
    answer: () => {
      if (requests.length === 5) interrupt.abort();
    },
  });
  // A day of trace in real time: nothing but the interrupt ends it.
  const points: TracePoint[] = [
    { atMs: 0, value: 5 },
    { atMs: 86_400_000, value: 1_000 },
  ];
  const report = await runLoad(await loadOf(0, { url, points: stream(points), untilMs: Infinity, signal: interrupt.signal }));
  expect(report).toMatchObject({ sent: 5, outcomes: { cancelled: 5 } });
});

it("holds no more of the plan than the next arrival", async () => {
  let drawn = 0;
  let sent = 0;
  const arrivals = async function* () {
    for (; drawn < 10_000; drawn++) {
      if (drawn - sent > 1) throw new Error(`${drawn} were drawn when ${sent} were sent`);
      yield { dueMs: 0 };
    }
  };
  await replay({
    arrivals: arrivals(),
    send: async () => void sent++,
    inFlightMax: Infinity,
    skip: () => {},
    tick: () => {},
    signal: new AbortController().signal,
  });
  expect(sent).toBe(10_000);
});

async function cliSetUp(tenants: readonly string[]): Promise<{ state: string; trace: string }> {
  const state = await temporaryFolder();
  await writeFile(join(state, "operator.key"), `${OPERATOR_KEY}\n`);
  for (const tenant of tenants) await openState(state).ensureTenantKeys(tenant);
  const trace = join(state, "trace.csv");
  await writeFile(trace, "timestamp,value\n2026-01-05 00:00:00,20\n2026-01-05 00:01:00,30\n2026-01-05 00:02:00,40\n");
  return { state, trace };
}

it("keeps a connection, and nothing piles up on it", async () => {
  const warnings: Error[] = [];
  const remember = (warning: Error): void => void warnings.push(warning);
  process.on("warning", remember);
  onTestFinished(() => void process.off("warning", remember));
  const connections = new Set<unknown>();
  const { url } = await startFakeGateway({
    answer: (_, response) => {
      connections.add(response.socket);
      response.end("ok");
    },
  });
  const http = new HttpSender({ url, timeoutMs: 5_000, connectionCountMax: 10 });
  onTestFinished(() => http.close());
  const { signal } = new AbortController();
  for (let count = 0; count < 20; count++) {
    expect(await http.send({ method: "GET", path: "/", headers: {}, signal })).toMatchObject({ outcome: "admitted-local", status: 200 });
  }
  expect(connections.size).toBe(1);
  expect(warnings).toEqual([]);
});

it("prints exactly one object with --json, and leaves out tenants without keys", async () => {
  const { state, trace } = await cliSetUp(["acme"]);
  const { url, requests } = await startFakeGateway({
    answer: (_, response) => sendProblem(response, { status: 503, outcome: "rejected-capacity", detail: "…" }),
  });
  const { exitCode, stdout, stderr } = await runCli([
    "load",
    "--trace",
    trace,
    "--speed",
    "1000",
    "--scale",
    "0.5",
    "--sockets-share",
    "0",
    "--from",
    "1m",
    "--for",
    "1m",
    "--url",
    url,
    "--state",
    state,
    "--json",
  ]);
  expect(exitCode).toBe(0);
  const report = JSON.parse(stdout) as object;
  expect(Object.keys(report)).toEqual(["sent", "outcomes", "latencyMs", "skipped", "endpointErrors", "lagMs", "seed", "mix"]);
  expect(report).toMatchObject({ sent: 15, outcomes: { "rejected-capacity": 15 }, latencyMs: {}, seed: 1, mix: { tenants: { acme: {} } } });
  expect(stderr).toContain(`replaying 1m of trace in 60ms against ${url}\n`);
  expect(stderr).toContain(`left out, because ${state} holds no keys of them: umbrella`);
  expect(requests.filter(({ path }) => path.startsWith("/s/"))).toHaveLength(15);
});

it("reports for people too", async () => {
  const { state, trace } = await cliSetUp(["acme", "umbrella"]);
  const { url } = await startFakeGateway();
  const { exitCode, stdout } = await runCli([
    "load",
    "--trace",
    trace,
    "--speed",
    "10000",
    "--sockets-share",
    "0",
    "--url",
    url,
    "--state",
    state,
  ]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^90 sent in [\d.]+ s, 0 skipped/);
  expect(stdout).toMatch(/^admitted-local +90 +100\.0 %$/m);
  expect(stdout).toContain("log-bucket histogram, relative error at most 1 %");
  expect(stdout).toMatch(/^open loop: sent later than planned by [\d.]+ ms \(p50\), [\d.]+ ms \(p99\)$/m);
  expect(stdout).toContain('seed 1, mix {"tenants"');
});

it.for([
  { more: ["--speed", "0"], says: "Cannot read --speed" },
  { more: ["--sockets-share", "2"], says: "a number from 0 to 1" },
  { more: ["--in-flight", "0"], says: "an integer from 1 to 20000" },
  { more: ["--devices", "10001"], says: "an integer from 1 to 10000" },
  { more: ["--from", "1d"], says: "Cannot read --from" },
  { more: ["--trace", "/nowhere.csv"], says: "--trace is given again" },
])("refuses $more before it sends anything", async ({ more, says }) => {
  const { state, trace } = await cliSetUp(["acme"]);
  const { url, requests } = await startFakeGateway();
  const { exitCode, stderr } = await runCli(["load", "--trace", trace, "--url", url, "--state", state, ...more]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(says);
  expect(requests).toEqual([]);
});

it("says so when it holds keys of nobody", async () => {
  const { state, trace } = await cliSetUp([]);
  const { url } = await startFakeGateway();
  const { exitCode, stderr } = await runCli(["load", "--trace", trace, "--url", url, "--state", state]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("holds keys of no tenant");
});

it("fails where there is no gateway", async () => {
  const { state, trace } = await cliSetUp(["acme"]);
  const { exitCode, stderr } = await runCli(["load", "--trace", trace, "--url", await unusedUrl(), "--state", state]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("Cannot reach the gateway");
});
