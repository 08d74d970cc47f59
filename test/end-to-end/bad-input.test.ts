// Every kind of bad input: the precise answer of the table, one log line, and no slot that stays away.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { rawHttp } from "../support/raw-http.ts";

let gateway: TestGateway;
let hostile: Server;
let closedPort: number;
/** What the hostile endpoint does with a connection that has sent something. */
let misbehave: (socket: Socket) => void = (socket) => socket.destroy();

beforeAll(async () => {
  hostile = createServer((socket) => socket.on("error", () => undefined).once("data", () => misbehave(socket))).listen(0, "127.0.0.1");
  await once(hostile, "listening");
  closedPort = await freePort();
  const hostileUrl = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`;
  gateway = await startTestGateway({
    echo: { bodyBytesMax: 100_000 },
    more: { hostile: hostileUrl, closed: `http://127.0.0.1:${closedPort}` },
  });
});
afterAll(async () => {
  hostile.close();
  await gateway.stop();
});
afterEach(async () => gateway.expectNoSlotInUse());

/** The log lines that a step adds, about requests. */
async function logsOf(step: () => Promise<unknown>): Promise<(string | undefined)[]> {
  const before = gateway.logs.length;
  await step();
  await expect.poll(() => gateway.logs.length).toBeGreaterThan(before);
  return gateway.logs.slice(before).map(({ outcome }) => outcome);
}

async function problemOf(response: Response): Promise<{ status: number; outcome: string; detail: string }> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const { type, status, detail } = (await response.json()) as { type: string; status: number; detail: string };
  expect(status).toBe(response.status);
  return { status, outcome: type.slice(type.lastIndexOf("/") + 1), detail };
}

describe("a credential", () => {
  it.for([
    { name: "that is missing", authorization: "", detail: "no credential" },
    { name: "that is no bearer token", authorization: "Basic abc", detail: "not Bearer" },
    { name: "that is no JWS", authorization: "Bearer abc", detail: "not a JWS" },
    { name: "that is cut off", authorization: "Bearer eyJhbGciOiJFZERTQSJ9.e30.", detail: "not a JWS" },
    { name: "that is over-long", authorization: `Bearer ${"a".repeat(5_000)}`, detail: "longer than 4096" },
  ])("$name is answered with 401 and how to bring one", async ({ authorization, detail }) => {
    const logs = await logsOf(async () => {
      const response = await gateway.fetch("/s/echo/x", { headers: { authorization } });
      expect(response.headers.get("www-authenticate")).toMatch(
        authorization === "" ? /^Bearer realm="tidegate"$/ : /error="invalid_token", error_description="/,
      );
      expect(await problemOf(response)).toMatchObject({
        status: 401,
        outcome: "unauthorized",
        detail: expect.stringContaining(detail) as string,
      });
    });
    expect(logs).toEqual(["unauthorized"]);
  });

  it.for([
    { name: "expired", claims: { nowMs: Date.now() - 3_600_000, lifetimeMs: 60_000 }, detail: "has expired" },
    { name: "for another gateway", claims: { audience: "other" }, detail: "claim aud" },
    { name: "without a subject", claims: { device: "" }, detail: "claim sub" },
  ])("$name is answered with 401 and says so", async ({ claims, detail }) => {
    const response = await gateway.fetch("/s/echo/x", { token: await gateway.token(claims) });
    expect(await problemOf(response)).toMatchObject({ status: 401, detail: expect.stringContaining(detail) as string });
  });

  it("signed by one tenant in another's name is refused, and so is one changed by a bit", async () => {
    const [head, , signature] = (await gateway.token({ tenant: "globex" })).split(".");
    const payload = (await gateway.token()).split(".")[1];
    expect((await gateway.fetch("/s/echo/x", { token: `${head}.${payload}.${signature}` })).status).toBe(401);
    const token = await gateway.token();
    const flipped = `${token.slice(0, -5)}${token.at(-5) === "A" ? "B" : "A"}${token.slice(-4)}`;
    expect((await gateway.fetch("/s/echo/x", { token: flipped })).status).toBe(401);
  });

  it("never appears in a log", async () => {
    const token = await gateway.token({ services: ["other"] });
    await logsOf(() => gateway.fetch("/s/echo/x", { token }));
    for (const { text } of gateway.logs) expect(text).not.toContain(token.split(".")[2]);
  });
});

describe("an identifier", () => {
  it.for([
    {
      name: "a class above the token",
      headers: { "connection-identifier": "class=gold" },
      claims: { className: "bronze" },
      status: 403,
      outcome: "forbidden",
    },
    {
      name: "a class that is not configured",
      headers: { "connection-identifier": "class=platinum" },
      claims: {},
      status: 403,
      outcome: "forbidden",
    },
    { name: "another tenant", headers: { "connection-identifier": 'tenant="globex"' }, claims: {}, status: 403, outcome: "forbidden" },
    { name: "another device", headers: { "connection-identifier": 'device="d-2"' }, claims: {}, status: 403, outcome: "forbidden" },
    { name: "a service that the token does not name", headers: {}, claims: { services: ["hostile"] }, status: 403, outcome: "forbidden" },
    {
      name: "a service that the tenant may not use",
      path: "/s/hostile/x",
      headers: {},
      claims: { tenant: "globex", services: ["hostile"] },
      status: 403,
      outcome: "forbidden",
    },
    { name: "a service's credential", headers: {}, claims: { role: "service" as const }, status: 403, outcome: "forbidden" },
    {
      name: "another service than the path",
      headers: { "connection-identifier": 'service="hostile"' },
      claims: {},
      status: 400,
      outcome: "bad-identifier",
    },
    { name: "what is no dictionary", headers: { "connection-identifier": "class=;;" }, claims: {}, status: 400, outcome: "bad-identifier" },
    {
      name: "an urgency out of range",
      headers: { "connection-identifier": "urgency=8" },
      claims: {},
      status: 400,
      outcome: "bad-identifier",
    },
    { name: "a service that does not exist", path: "/s/nowhere/x", headers: {}, claims: {}, status: 404, outcome: "unknown-service" },
  ])(
    "asking for $name is answered with $status $outcome and one log line",
    async ({ path = "/s/echo/x", headers, claims, status, outcome }) => {
      const token = await gateway.token(claims);
      const logs = await logsOf(async () => {
        expect(await problemOf(await gateway.fetch(path, { headers, token }))).toMatchObject({ status, outcome });
      });
      expect(logs).toEqual([outcome]);
    },
  );

  it.for([
    { name: "by the token", claims: { urgencyFirst: 4 }, headers: { priority: "u=0" }, want: "u=4" },
    { name: "by the class", claims: { className: "silver" }, headers: { priority: "u=1" }, want: "u=2" },
    { name: "and a bad Priority is ignored", claims: {}, headers: { priority: "u=nonsense" }, want: "u=3" },
    {
      name: "and Priority wins over the identifier",
      claims: {},
      headers: { priority: "u=6", "connection-identifier": "urgency=1" },
      want: "u=6",
    },
  ])("has its urgency clamped $name", async ({ claims, headers, want }) => {
    const response = await gateway.fetch("/s/echo/x", { headers: headers as Record<string, string>, token: await gateway.token(claims) });
    expect(response.status).toBe(200);
    expect(response.headers.get("priority")).toBe(want);
    await response.arrayBuffer();
  });
});

describe("a request's form", () => {
  const head = (token: string, lines: string[], path = "/s/echo/x"): string =>
    [`POST ${path} HTTP/1.1`, "Host: x", `Authorization: Bearer ${token}`, ...lines, "", ""].join("\r\n");

  it("with 100 KB of headers is answered with 431, and the limit", async () => {
    const logs = await logsOf(async () => {
      const answer = await rawHttp(gateway.port, head(await gateway.token(), [`X-Big: ${"a".repeat(100_000)}`, "Content-Length: 0"]));
      expect(answer).toMatchObject({ status: 431, body: expect.stringContaining("32768 bytes") as string });
    });
    expect(logs).toEqual(["headers-too-large"]);
  });

  it("just under the limit is served", async () => {
    const response = await gateway.fetch("/s/echo/x", { headers: { "x-big": "a".repeat(30_000) } });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  });

  it.for([
    { name: "a declared length", lines: ["Content-Length: 100"], body: "abc" },
    { name: "chunks", lines: ["Transfer-Encoding: chunked"], body: "3\r\nabc\r\n" },
    { name: "a chunk that is none", lines: ["Transfer-Encoding: chunked"], body: "3\r\nabc\r\nZZ\r\n" },
  ])("whose body of $name breaks off is answered with 400, and the endpoint never sees it as whole", async ({ lines, body }) => {
    const before = gateway.backend.stats();
    const logs = await logsOf(async () => {
      const answer = await rawHttp(gateway.port, head(await gateway.token(), lines) + body, (socket) => socket.end());
      expect(answer).toMatchObject({ status: 400, body: expect.stringContaining("/problems/body-aborted") as string });
    });
    expect(logs).toEqual(["body-aborted"]);
    await expect.poll(() => gateway.backend.stats().inFlight).toBe(0);
    expect(gateway.backend.stats().overCapacity).toBe(before.overCapacity);
  });

  it("whose device resets in the middle of the body leaves no slot behind", async () => {
    await rawHttp(gateway.port, head(await gateway.token(), ["Content-Length: 100"]) + "abc", (socket) => socket.resetAndDestroy());
    await expect.poll(() => gateway.backend.stats().inFlight).toBe(0);
  });

  it("whose device resets while the endpoint thinks leaves no slot behind, and the endpoint hears of it", async () => {
    const reset = Promise.withResolvers<void>();
    misbehave = (socket) => {
      socket.on("close", () => reset.resolve());
      leave.resolve();
    };
    const leave = Promise.withResolvers<void>();
    const token = await gateway.token({ services: ["hostile"] });
    await rawHttp(
      gateway.port,
      head(token, ["Content-Length: 3"], "/s/hostile/x") + "abc",
      (socket) => void leave.promise.then(() => socket.resetAndDestroy()),
    );
    await expect(reset.promise).resolves.toBeUndefined();
  });

  it.for([
    { name: "declared", init: { body: "a".repeat(100_001) } },
    { name: "unknown", init: { body: ReadableStream.from([Buffer.alloc(60_000), Buffer.alloc(60_000)]), duplex: "half" } },
  ])("whose body of $name length is too large is answered with 413, and the limit", async ({ init }) => {
    const response = await gateway.fetch("/s/echo/x?delayMs=2000", { method: "POST", ...init } as RequestInit);
    expect(await problemOf(response)).toMatchObject({
      status: 413,
      outcome: "body-too-large",
      detail: expect.stringContaining("100000 bytes") as string,
    });
  });

  it.for([
    { path: "/nowhere", method: "GET", status: 404, outcome: "unknown-route" },
    { path: "/", method: "GET", status: 404, outcome: "unknown-route" },
    { path: "/s/", method: "GET", status: 404, outcome: "unknown-route" },
    { path: "/livez", method: "DELETE", status: 405, outcome: "wrong-method", allow: "GET, HEAD" },
    { path: "/connect/echo", method: "PUT", status: 405, outcome: "wrong-method", allow: "GET, POST" },
    { path: "/connect/echo", method: "GET", status: 426, outcome: "upgrade-required" },
  ])("$method $path is answered with $status $outcome", async ({ path, method, status, outcome, allow }) => {
    const response = await gateway.fetch(path, { method });
    expect(response.headers.get("allow")).toBe(allow ?? null);
    expect(await problemOf(response)).toMatchObject({ status, outcome });
  });

  it("leads from a problem's type to what it means", async () => {
    const response = await gateway.fetch("/problems/rejected-capacity");
    expect(await response.text()).toContain("no slot for you before your deadline");
    expect((await gateway.fetch("/problems/nonsense")).status).toBe(404);
  });
});

describe("an endpoint", () => {
  it.for([
    { name: "resets", act: (socket: Socket) => socket.resetAndDestroy() },
    { name: "closes without a word", act: (socket: Socket) => socket.end() },
    { name: "answers garbage", act: (socket: Socket) => socket.end("ceci n'est pas HTTP\r\n\r\n") },
    { name: "breaks off in the middle of its headers", act: (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Le") },
  ])("that $name is answered with 502", async ({ act }) => {
    misbehave = (socket) => void act(socket);
    const token = await gateway.token({ services: ["hostile"] });
    const logs = await logsOf(async () => {
      const response = await gateway.fetch("/s/hostile/x", { token });
      expect(response.headers.get("proxy-status")).toContain("error=connection_terminated");
      expect(await problemOf(response)).toMatchObject({ status: 502, outcome: "upstream-failed" });
    });
    expect(logs).toEqual(["upstream-failed"]);
  });

  it.for([101, 600, 999])("that answers with status %i is answered with 502 and let go of, though its body has no end", async (status) => {
    const closed = Promise.withResolvers<void>();
    misbehave = (socket) => {
      socket.once("close", () => closed.resolve());
      socket.write(`HTTP/1.1 ${status} Odd\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    };
    const logs = await logsOf(async () => {
      const response = await gateway.fetch("/s/hostile/x", { token: await gateway.token({ services: ["hostile"] }) });
      expect(response.headers.get("proxy-status")).toContain("error=http_protocol_error");
      expect(await problemOf(response)).toEqual({
        status: 502,
        outcome: "upstream-failed",
        detail: `The endpoint answered with status ${status}.`,
      });
    });
    expect(logs).toEqual(["upstream-failed"]);
    await closed.promise;
  });

  it("that refuses the connection is answered with 502", async () => {
    const response = await gateway.fetch("/s/closed/x", { token: await gateway.token({ services: ["closed"] }) });
    expect(await problemOf(response)).toMatchObject({ status: 502, outcome: "upstream-failed" });
  });

  it("that hangs is answered with 504 when the deadline is over, not later", async () => {
    misbehave = () => undefined;
    const startedAtMs = performance.now();
    const response = await gateway.fetch("/s/hostile/x", { token: await gateway.token({ services: ["hostile"] }) });
    expect(await problemOf(response)).toMatchObject({
      status: 504,
      outcome: "upstream-timeout",
      detail: expect.stringContaining("1000 ms") as string,
    });
    // The endpoint would keep it for ever: ten times the deadline is the machine's.
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  });

  it("that hangs loses its connection at the deadline, though what cuts it served other requests before", async () => {
    const served = await Promise.all(Array.from({ length: 4 }, async () => (await gateway.fetch("/s/echo/x")).arrayBuffer()));
    expect(served).toHaveLength(4);
    const closes: Promise<void>[] = [];
    misbehave = (socket) => {
      const closed = Promise.withResolvers<void>();
      closes.push(closed.promise);
      socket.on("close", () => closed.resolve());
    };
    const token = await gateway.token({ services: ["hostile"] });
    const cut = await Promise.all(Array.from({ length: 4 }, async () => gateway.fetch("/s/hostile/x", { token })));
    expect(cut.map(({ status }) => status)).toEqual([504, 504, 504, 504]);
    await Promise.all(cut.map(async (response) => response.text()));
    expect(closes).toHaveLength(4);
    await Promise.all(closes);
    const after = await Promise.all(Array.from({ length: 4 }, async () => gateway.fetch("/s/echo/x?delayMs=50")));
    expect(after.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    await Promise.all(after.map(async (response) => response.arrayBuffer()));
  });

  it("that hangs is answered with 504 at the deadline of each, though one of them watches for all", async () => {
    misbehave = () => undefined;
    const token = await gateway.token({ services: ["hostile"] });
    const startedAtMs = performance.now();
    // Its context watches for those that come within the next tenth of a second, and it is answered long before.
    const first = await gateway.fetch("/s/echo/x");
    const others = await Promise.all(Array.from({ length: 6 }, () => gateway.fetch("/s/hostile/x", { token })));
    expect([first, ...others].map(({ status }) => status)).toEqual([200, 504, 504, 504, 504, 504, 504]);
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    await Promise.all([first, ...others].map(async (response) => response.text()));
  });

  it("that breaks off in the middle of its body breaks the device's answer off too, never ends it as if whole", async () => {
    misbehave = (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc", () => socket.destroy());
    const token = await gateway.token({ services: ["hostile"] });
    const logs = await logsOf(async () => {
      const response = await gateway.fetch("/s/hostile/x", { token });
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow();
    });
    expect(logs).toContain("upstream-failed");
  });

  it("that breaks a small body off is answered with 502: the gateway has not said anything yet", async () => {
    misbehave = (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", () => socket.destroy());
    const token = await gateway.token({ services: ["hostile"] });
    const logs = await logsOf(async () => {
      const response = await gateway.fetch("/s/hostile/x", { token });
      expect(await problemOf(response)).toMatchObject({ status: 502, outcome: "upstream-failed" });
    });
    expect(logs).toEqual(["upstream-failed"]);
  });

  it.for([
    { name: "hangs", bytes: "" },
    { name: "never ends a small body", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc" },
  ])("that $name is let go of when its device goes", async ({ bytes }) => {
    const written = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    misbehave = (socket) => {
      socket.once("close", () => closed.resolve());
      socket.write(bytes, () => written.resolve());
    };
    const token = await gateway.token({ services: ["hostile"] });
    // A reset: of a device that closes its side alone, the runtime says nothing.
    const device = connect({ host: "127.0.0.1", port: gateway.port });
    device.write(`GET /s/hostile/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    await written.promise;
    expect(await gateway.slotsInUse()).toBe(1);
    // Not by the deadline.
    expect(await logsOf(async () => device.resetAndDestroy())).toEqual(["cancelled"]);
    await gateway.expectNoSlotInUse();
    await closed.promise;
  });

  it("that is too late is let go of", async () => {
    const closed = Promise.withResolvers<void>();
    misbehave = (socket) => socket.once("close", () => closed.resolve());
    const response = await gateway.fetch("/s/hostile/x", { token: await gateway.token({ services: ["hostile"] }) });
    expect(response.status).toBe(504);
    await response.body?.cancel();
    await closed.promise;
  });

  it("that breaks a chunked body off is not made to look whole either", async () => {
    misbehave = (socket) => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", () => socket.destroy());
    const response = await gateway.fetch("/s/hostile/x", { token: await gateway.token({ services: ["hostile"] }) });
    await expect(response.text()).rejects.toThrow();
  });
});
