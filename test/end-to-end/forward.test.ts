import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestGateway, sumOf, type TestGateway } from "../support/gateway.ts";
import { rawHttp } from "../support/raw-http.ts";

let gateway: TestGateway;
let custom: Server;
/** What the custom backend does next; set by each test that needs more than an echo. */
let respond: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end();

beforeAll(async () => {
  custom = createServer((request, response) => respond(request, response)).listen(0, "127.0.0.1");
  await once(custom, "listening");
  gateway = await startTestGateway({ more: { custom: `http://127.0.0.1:${(custom.address() as AddressInfo).port}/base/` } });
});
afterAll(async () => {
  custom.closeAllConnections();
  custom.close();
  await gateway.stop();
});

interface Echo {
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly identifier: string;
}
const customToken = (): Promise<string> => gateway.token({ services: ["custom"] });

describe("a forwarded request", () => {
  it("reaches the endpoint with its method, path and query, and comes back with what was applied", async () => {
    const response = await gateway.fetch("/s/echo/a/b%20c?x=1&y=%2F", { headers: { priority: "u=5, i" } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ method: "GET", path: "/a/b%20c", query: { x: "1", y: "/" } });
    expect(response.headers.get("connection-identifier")).toBe('service="echo", class=gold, urgency=5, tenant="acme", device="d-1"');
    expect(response.headers.get("priority")).toBe("u=5, i");
    expect(response.headers.get("server-timing")).toMatch(/^(queue;dur=\d+;desc="gold", )?upstream;dur=\d+$/);
  });

  it.for(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("keeps its method: %s", async (method) => {
    const response = await gateway.fetch("/s/echo/x", { method });
    expect(((await response.json()) as Echo).method).toBe(method);
  });

  it("shows the endpoint no credential, nothing hop-by-hop and nothing that a device may not say", async () => {
    const headers = {
      "x-forwarded-for": "6.6.6.6",
      "x-real-ip": "6.6.6.6",
      forwarded: "for=6.6.6.6",
      "cf-connecting-ip": "6.6.6.6",
      "tidegate-socket-assignment": "{}",
      "x-request-id": "mine",
      te: "trailers",
      "proxy-authorization": "Basic x",
      "x-kept": "yes",
      "connection-identifier": "class=silver, tenant=acme, colour=green",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      tracestate: "a=1",
    };
    const { headers: seen } = (await (await gateway.fetch("/s/echo/h", { headers })).json()) as Echo;
    for (const name of [
      "authorization",
      "x-forwarded-for",
      "x-real-ip",
      "forwarded",
      "cf-connecting-ip",
      "tidegate-socket-assignment",
      "te",
      "proxy-authorization",
    ]) {
      expect(seen).not.toHaveProperty(name);
    }
    expect(seen).toMatchObject({
      "x-kept": "yes",
      via: "1.1 tidegate",
      "x-forwarded-proto": "http",
      "x-forwarded-host": `127.0.0.1:${gateway.port}`,
      "connection-identifier": 'service="echo", class=silver, urgency=3, tenant="acme", device="d-1"',
      traceparent: headers.traceparent,
      tracestate: "a=1",
    });
    expect(seen["x-request-id"]).not.toBe("mine");
  });

  it("carries no invalid traceparent on, and no tracestate without it", async () => {
    const { headers: seen } = (await (
      await gateway.fetch("/s/echo/h", { headers: { traceparent: "00-zz-1-01", tracestate: "a=1" } })
    ).json()) as Echo;
    expect(seen).not.toHaveProperty("traceparent");
    expect(seen).not.toHaveProperty("tracestate");
  });

  it("is answered by its endpoint and by no cache: that would go by the address, which says nothing of the tenant", async () => {
    const ask = async (init: RequestInit = {}) => ((await (await gateway.fetch("/s/echo/report.pdf", init)).json()) as Echo).headers;
    // What the runtime says at the endpoint of a fetch that passes Cloudflare's cache by; what it says to that is not seen on this machine.
    expect(await ask()).toMatchObject({ "cache-control": "no-cache", pragma: "no-cache" });
    expect(await ask({ headers: { "cache-control": "max-age=60" } })).toMatchObject({ "cache-control": "max-age=60", pragma: "no-cache" });
  });

  it("stays below the endpoint's base path, whatever is written", async () => {
    const seen: (string | undefined)[] = [];
    respond = (request, response) => response.end(seen.push(request.url) > 0 ? request.url : "");
    const token = await customToken();
    // On the wire as they are: a client's fetch would resolve them before.
    for (const path of ["/s/custom/../../admin", "/s/custom/%2e%2e/%2E%2e/admin", "/s/custom/..\\..\\admin", "/s/custom/.%2e/../admin"]) {
      const answer = await rawHttp(gateway.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
      expect(answer.status).toBe(404);
    }
    expect(seen).toEqual([]);
    expect(await (await gateway.fetch("/s/custom/x/../y?q", { token })).text()).toBe("/base/y?q");
    expect(await (await gateway.fetch("/s/custom", { token })).text()).toBe("/base/");
    // Out of the service's path altogether: another service's name, if anybody's.
    expect((await gateway.fetch("/s/custom/%2e%2e/other/x", { token })).status).toBe(404);
  });

  it("streams a body of 5 MB there and back, the same", async () => {
    const body = Buffer.alloc(5_000_000, "tide");
    const response = await gateway.fetch("/s/echo/big", { method: "POST", body });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  it("streams a body of unknown length", async () => {
    async function* chunks() {
      for (let chunk = 0; chunk < 50; chunk += 1) yield Buffer.from(`chunk ${chunk};`);
    }
    const response = await gateway.fetch("/s/echo/stream", {
      method: "POST",
      body: ReadableStream.from(chunks()),
      duplex: "half",
    });
    expect((await response.text()).split(";")).toHaveLength(51);
  });

  it("passes the first byte on before the last has come", async () => {
    const last = Promise.withResolvers<void>();
    respond = (_request, response) => {
      response.write("first");
      void last.promise.then(() => response.end("last"));
    };
    const response = await gateway.fetch("/s/custom/slow", { token: await customToken() });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("first");
    expect(await gateway.slotsInUse()).toBe(1);
    last.resolve();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("last");
    await gateway.expectNoSlotInUse();
  });

  it("follows no redirect: the device gets it", async () => {
    respond = (_request, response) => response.writeHead(302, { location: "http://169.254.169.254/" }).end();
    const response = await gateway.fetch("/s/custom/r", { token: await customToken() });
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("http://169.254.169.254/");
  });

  it("passes compressed bytes through untouched, with their length", async () => {
    const packed = gzipSync("tide ".repeat(1_000));
    respond = (_request, response) => response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length }).end(packed);
    const response = await gateway.fetch("/s/custom/gz", { token: await customToken() });
    expect(response.headers.get("content-length")).toBe(String(packed.length));
    expect(await response.text()).toBe(gunzipSync(packed).toString());
  });

  it("keeps several cookies apart, and hides what is between gateway and endpoint", async () => {
    respond = (_request, response) =>
      response
        .writeHead(200, { "set-cookie": ["a=1", "b=2"], "alt-svc": 'h3=":443"', "endpoint-load-metrics": "JSON {}", "x-own": "kept" })
        .end("x");
    const response = await gateway.fetch("/s/custom/c", { token: await customToken() });
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(response.headers.has("alt-svc")).toBe(false);
    expect(response.headers.has("endpoint-load-metrics")).toBe(false);
    expect(response.headers.get("x-own")).toBe("kept");
  });

  it.for([
    { name: "HEAD", init: { method: "HEAD" }, status: 200 },
    { name: "204", init: {}, status: 204 },
    { name: "304", init: {}, status: 304 },
  ])("has no body where none may be: $name", async ({ init, status }) => {
    respond = (_request, response) => response.writeHead(status).end();
    const response = await gateway.fetch("/s/custom/n", { ...init, token: await customToken() });
    expect(response.status).toBe(status);
    expect(await response.text()).toBe("");
    await gateway.expectNoSlotInUse();
  });

  it.for(["GET", "HEAD"])("takes a length of 0 for no body, and refuses any other, with %s", async (method) => {
    const authorization = `Authorization: Bearer ${await gateway.token()}`;
    const ask = (lines: string[], body = "") =>
      rawHttp(
        gateway.port,
        [`${method} /s/echo/x HTTP/1.1`, "Host: x", "Connection: close", authorization, ...lines, "", body].join("\r\n"),
      );
    expect((await ask(["Content-Length: 0"])).status).toBe(200);
    expect((await ask(["Content-Length: 3"], "abc")).status).toBe(413);
  });

  it("keeps its slot while its body streams past the deadline and the slot's first expiry", { timeout: 20_000 }, async () => {
    respond = (_request, response) => {
      response.write("");
      response.flushHeaders();
      setTimeout(() => response.end("end"), 7_000);
    };
    // The deadline of 1 s and the grace of 5 end before the body does.
    const response = await gateway.fetch("/s/custom/long", { token: await customToken() });
    expect(await response.text()).toBe("end");
    await gateway.expectNoSlotInUse();
    const metrics = await gateway.metrics();
    expect(sumOf(metrics, "tidegate_slots_reclaimed_total")).toBe(0);
    expect(sumOf(metrics, "tidegate_stale_releases_total")).toBe(0);
  });

  it("gives an endpoint's own error to the device as it is", async () => {
    const response = await gateway.fetch("/s/echo/e?status=503");
    expect(response.status).toBe(503);
    expect(response.headers.get("content-type")).toBe("application/json");
  });

  it("holds a slot until the device has the last byte, and gives it back when the device goes", async () => {
    const aborter = new AbortController();
    const response = await gateway.fetch("/s/echo/long?bytes=2000000&chunks=200&chunkDelayMs=20", { signal: aborter.signal });
    expect(response.status).toBe(200);
    expect(await gateway.slotsInUse()).toBe(1);
    aborter.abort();
    await gateway.expectNoSlotInUse();
    await expect.poll(() => gateway.backend.stats().inFlight).toBe(0);
  });
});

describe("more requests than slots", () => {
  it("wait for one, and the endpoint never sees more than its capacity", async () => {
    const token = await gateway.token();
    const answers = await Promise.all(Array.from({ length: 60 }, () => gateway.fetch("/s/echo/slow?delayMs=300", { token })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 60 }, () => 200));
    expect(gateway.backend.stats()).toMatchObject({ overCapacity: 0 });
    expect(gateway.backend.stats().inFlightMax).toBeLessThanOrEqual(20);
    await Promise.all(answers.filter(({ bodyUsed }) => !bodyUsed).map((answer) => answer.arrayBuffer()));
    await gateway.expectNoSlotInUse();
  });
});
