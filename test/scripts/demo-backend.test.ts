// The demo backend on real sockets: what it gives back, how it fails, and that it counts what it carries.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { startDemoBackend, type DemoBackend, type DemoBackendOptions } from "#scripts/demo-backend/demo-backend.ts";

const MAIN = join(import.meta.dirname, "../../scripts/demo-backend/main.ts");

async function start(options: Partial<DemoBackendOptions> = {}): Promise<DemoBackend> {
  const backend = await startDemoBackend({ service: "echo", host: "127.0.0.1", port: 0, capacity: 10, delayMs: 0, ...options });
  onTestFinished(() => backend.close());
  return backend;
}

async function openSocket(backend: DemoBackend, path = "/", protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`${backend.url.replace("http", "ws")}${path}`, protocols);
  await once(socket, "open");
  return socket;
}

async function nextMessage(socket: WebSocket): Promise<{ data: string; isBinary: boolean }> {
  const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
  return { data: data.toString(), isBinary };
}

/** The bytes that come back before the connection ends, and how it ended. */
async function rawExchange(port: number, request: string): Promise<{ bytes: string; error: string | undefined }> {
  const socket = net.connect(port, "127.0.0.1");
  let bytes = "";
  let error: string | undefined;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.toString("latin1")));
  socket.on("error", (reason: NodeJS.ErrnoException) => (error = reason.code));
  socket.write(request);
  await once(socket, "close").catch(() => {});
  return { bytes, error };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

it("describes a request without a body", async () => {
  const { url } = await start();
  const identifier = 'service="echo", class=gold';
  const answer = await fetch(`${url}/a/b?x=1&status=201`, {
    method: "DELETE",
    headers: { "connection-identifier": identifier, "x-mine": "yes" },
  });
  expect(answer.status).toBe(201);
  expect(await answer.json()).toMatchObject({
    service: "echo",
    method: "DELETE",
    path: "/a/b",
    query: { x: "1", status: "201" },
    identifier,
    headers: { "x-mine": "yes" },
  });
});

it("echoes a large body while it is still being sent", async () => {
  const { port } = await start();
  const request = http.request({
    port,
    host: "127.0.0.1",
    method: "POST",
    path: "/?status=207",
    headers: { "content-type": "application/x-mine" },
  });
  const first = "first".repeat(20_000);
  request.write(first);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  expect([response.statusCode, response.headers["content-type"]]).toEqual([207, "application/x-mine"]);
  request.end("second");
  expect(await text(response)).toBe(`${first}second`);
});

it("echoes a small body once it is whole, and one that breaks off not", async () => {
  const { port, url, stats } = await start();
  const answer = await fetch(url, { method: "POST", body: "whole", headers: { "content-type": "text/x-mine" } });
  expect([answer.headers.get("content-type"), answer.headers.get("content-length"), await answer.text()]).toEqual([
    "text/x-mine",
    "5",
    "whole",
  ]);

  const socket = net.connect(port, "127.0.0.1");
  let got = "";
  socket.on("data", (chunk: Buffer) => (got += chunk.toString()));
  socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf");
  await expect.poll(() => stats().inFlight).toBe(1);
  socket.end();
  await expect.poll(() => stats().inFlight).toBe(0);
  // Node's own word on a request that ends too early; none of the echo.
  await expect.poll(() => got).toBe("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
});

it("generates a body of exactly as many bytes as it was asked for", async () => {
  const { url } = await start();
  for (const [bytes, chunks] of [
    [0, 1],
    [10, 3],
    [200_000, 7],
    [5, 10],
  ] as const) {
    const answer = await fetch(`${url}/?bytes=${bytes}&chunks=${chunks}&chunkDelayMs=1`);
    expect((await answer.arrayBuffer()).byteLength).toBe(bytes);
  }
});

it("gives the body's first chunk before the last one is due", async () => {
  const { port } = await start();
  const request = http.get({ port, host: "127.0.0.1", path: "/?bytes=20&chunks=2&chunkDelayMs=60000" });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  expect(((await once(response, "data"))[0] as Buffer).length).toBe(10);
  request.destroy();
});

it.for([
  { query: "delayMs=soon", says: 'Cannot read delayMs: is "soon", expected an integer from 0 to 600000' },
  { query: "status=99", says: "expected an integer from 200 to 599" },
  { query: "bytes=1073741825", says: "expected an integer from 0 to 1073741824" },
  { query: "chunks=10001", says: "expected an integer from 1 to 10000" },
  { query: "chunkDelayMs=60001", says: "expected an integer from 0 to 60000" },
  { query: "closeCode=5000", says: "expected an integer from 1000 to 4999" },
  { query: `closeReason=${"x".repeat(124)}`, says: "expected at most 123 bytes" },
  { query: "fault=nice", says: 'Cannot read fault: is "nice", expected one of hang, reset, garbage, reset-body, abort-headers' },
])("refuses ?$query", async ({ query, says }) => {
  const { url } = await start();
  const answer = await fetch(`${url}/?${query}`);
  expect(answer.status).toBe(400);
  expect(((await answer.json()) as { error: string }).error).toContain(says);
});

it.for([
  { fault: "reset", bytes: /^$/, error: "ECONNRESET" },
  { fault: "garbage", bytes: /^220 this is not HTTP/, error: undefined },
  { fault: "abort-headers", bytes: /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/plain\r\ncontent-le$/, error: undefined },
])("fails by $fault as a broken endpoint does", async ({ fault, bytes, error }) => {
  const { port, stats } = await start();
  const got = await rawExchange(port, get(`/?fault=${fault}`));
  expect(got.bytes).toMatch(bytes);
  expect(got.error).toBe(error);
  await expect.poll(() => stats().inFlight).toBe(0);
});

it("breaks off in the middle of a body: the headers and a part arrive, the end does not", async () => {
  const { port } = await start();
  const request = http.get({ port, host: "127.0.0.1", path: "/?fault=reset-body" }).on("error", () => {});
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  expect(response.statusCode).toBe(200);
  await expect(buffer(response)).rejects.toThrow(/aborted|ECONNRESET/);
});

it("hangs without an answer, in flight until the caller leaves", async () => {
  const { port, stats } = await start();
  const request = http.get({ port, host: "127.0.0.1", path: "/?fault=hang" });
  const ended = once(request, "error");
  await expect.poll(() => stats().inFlight).toBe(1);
  request.destroy(new Error("enough"));
  await ended;
  await expect.poll(() => stats()).toMatchObject({ inFlight: 0, served: 1 });
});

it("refuses and counts what exceeds its capacity, requests and sockets together", async () => {
  const backend = await start({ capacity: 3 });
  const socket = await openSocket(backend);
  const hanging = [1, 2].map(() => http.get({ port: backend.port, host: "127.0.0.1", path: "/?fault=hang" }).on("error", () => {}));
  await expect.poll(() => backend.stats().inFlight).toBe(3);

  const refused = await fetch(backend.url);
  expect([refused.status, await refused.json()]).toEqual([503, { error: "over capacity" }]);
  const upgrade = new WebSocket(backend.url.replace("http", "ws"));
  const [, response] = (await once(upgrade, "unexpected-response")) as [unknown, http.IncomingMessage];
  expect([response.statusCode, await text(response)]).toEqual([503, '{"error":"over capacity"}']);
  expect(await (await fetch(`${backend.url}/__stats`)).json()).toEqual({
    inFlight: 3,
    inFlightMax: 3,
    served: 0,
    sockets: 1,
    overCapacity: 2,
  });

  socket.close();
  for (const request of hanging) request.destroy();
  await expect.poll(() => backend.stats()).toEqual({ inFlight: 0, inFlightMax: 3, served: 3, sockets: 0, overCapacity: 2 });
  expect((await fetch(backend.url)).status).toBe(200);
});

it("carries exactly its capacity at once, however often: a place is free again when the last byte has arrived", async () => {
  const { url, stats } = await start({ capacity: 4, delayMs: 1 });
  const worker = async (): Promise<void> => {
    for (let round = 0; round < 50; round++) {
      const answer = await fetch(`${url}/${round}?bytes=5000&chunks=2`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  expect(stats()).toMatchObject({ inFlightMax: 4, served: 200, overCapacity: 0 });
});

it("echoes text and binary over a socket, in order, with its delay", async () => {
  const backend = await start({ delayMs: 2 });
  const socket = await openSocket(backend, "/connect", ["tidegate.v1", "tidegate.bearer.x", "app", "other"]);
  expect(socket.protocol).toBe("app");
  const got: string[] = [];
  socket.on("message", (data: Buffer, isBinary) => got.push(`${isBinary ? "binary" : "text"} ${data.toString()}`));
  socket.send("a");
  socket.send(Buffer.from("b"));
  socket.send("c");
  await expect.poll(() => got).toEqual(["text a", "binary b", "text c"]);
  expect(backend.stats().sockets).toBe(1);
});

it("echoes no subprotocol when only the gateway's own are offered", async () => {
  const { port } = await start();
  const upgrade = [
    "GET / HTTP/1.1",
    "host: x",
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol: tidegate.bearer.x",
  ];
  const socket = net.connect(port, "127.0.0.1");
  socket.write(`${upgrade.join("\r\n")}\r\n\r\n`);
  const [head] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /);
  expect(head.toString().toLowerCase()).not.toContain("sec-websocket-protocol");
});

it("reads no more from a socket while a thousand replies wait, and answers every message in the end", async () => {
  const backend = await start({ delayMs: 5 });
  const socket = await openSocket(backend);
  let answered = 0;
  socket.on("message", () => answered++);
  for (let count = 0; count < 5_000; count++) socket.send(String(count));
  await expect.poll(() => answered).toBe(5_000);
});

it("closes a socket as it is told to", async () => {
  const socket = await openSocket(await start(), "/?closeCode=4001&closeReason=moved");
  socket.send("first");
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  expect([code, reason.toString()]).toEqual([4001, "moved"]);
});

it("resets a socket as it is told to", async () => {
  const backend = await start();
  const socket = await openSocket(backend, "/?fault=reset");
  socket.on("error", () => {});
  socket.send("first");
  expect((await once(socket, "close"))[0]).toBe(1006);
  await expect.poll(() => backend.stats()).toMatchObject({ inFlight: 0, sockets: 0 });
});

it("telemetry accepts and counts over HTTP and sockets", async () => {
  const backend = await start({ service: "telemetry" });
  const post = async (body: string): Promise<unknown> => {
    const answer = await fetch(backend.url, { method: "POST", body });
    return [answer.status, await answer.json()];
  };
  expect(await post('[{"t":1},{"t":2}]')).toEqual([202, { accepted: 2 }]);
  expect(await post("not JSON")).toEqual([202, { accepted: 1 }]);
  const socket = await openSocket(backend);
  socket.send('{"t":3}');
  expect(await nextMessage(socket)).toEqual({ data: '{"accepted":1}', isBinary: false });
  expect(await (await fetch(backend.url)).json()).toEqual({ service: "telemetry", accepted: 4, messages: 3, bytes: 32 });
});

it("telemetry bounds a body", async () => {
  const { url } = await start({ service: "telemetry" });
  const chunk = new Uint8Array(2 ** 20);
  const body = Readable.toWeb(Readable.from(Array.from({ length: 11 }, () => chunk)));
  const answer = await fetch(url, { method: "POST", body, duplex: "half" });
  expect(answer.status).toBe(413);
});

async function startProcess(args: readonly string[] = []): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [MAIN, "--port", "0", ...args], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const url = /http:\/\/\S+?(?=["\s])/.exec(line.toString())?.[0];
  expect(line.toString()).toBe(args.includes("--json") ? `{"ready":"${url}"}\n` : `ready ${url}\n`);
  return { child, url: url ?? "" };
}

it.for([
  { name: "its input closes", end: (child: ChildProcess) => child.stdin?.end() },
  { name: "it is asked to (SIGTERM)", end: (child: ChildProcess) => child.kill("SIGTERM") },
  { name: "it is asked to (SIGINT)", end: (child: ChildProcess) => child.kill("SIGINT") },
])("alone, it serves until $name, even with requests in flight", async ({ end }) => {
  const { child, url } = await startProcess(["--service", "telemetry", "--capacity", "5"]);
  expect(await (await fetch(url)).json()).toMatchObject({ service: "telemetry" });
  const hanging = fetch(`${url}/?delayMs=60000`).catch(() => "gone");
  await expect.poll(async () => await (await fetch(`${url}/__stats`)).json()).toMatchObject({ inFlight: 1 });
  const exited = once(child, "exit");
  end(child);
  expect((await exited)[0]).toBe(0);
  expect(await hanging).toBe("gone");
});

it("alone, it ends when its parent is gone", async () => {
  // The parent gives it no pipe that could close, and dies without a word to it.
  const script = `
    const child = require("node:child_process").spawn(process.execPath, [${JSON.stringify(MAIN)}, "--port", "0"], { stdio: ["ignore", "pipe", "ignore"] });
    child.stdout.once("data", (line) => process.stdout.write(line, () => process.kill(process.pid, "SIGKILL")));`;
  const parent = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const ready = await text(parent.stdout);
  const url = ready.replace("ready ", "").trim();
  await expect
    .poll(
      () =>
        fetch(url).then(
          () => "there",
          () => "gone",
        ),
      { timeout: 5_000 },
    )
    .toBe("gone");
});

it.for([
  { args: ["--service", "mail"], says: 'Cannot read --service: is "mail", expected one of echo, telemetry' },
  { args: ["--capacity", "0"], says: "Cannot read --capacity" },
  { args: ["--host", "256.0.0.1"], says: "Cannot listen on 256.0.0.1:0" },
  { args: ["--prot", "1"], says: "--prot is not an option, expected perhaps --port (see node scripts/demo-backend/main.ts --help)" },
])("alone, it refuses $args", async ({ args, says }) => {
  const child = spawn(process.execPath, [MAIN, "--port", "0", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const [said, [exitCode]] = await Promise.all([text(child.stderr), once(child, "exit") as Promise<[number]>]);
  expect(exitCode).toBeGreaterThan(0);
  expect(said).toContain(says);
});
