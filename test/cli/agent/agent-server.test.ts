// The agent's API as one would attack it. No process is started here.
import { once } from "node:events";
import type { Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, it } from "vitest";
import { agentServer } from "#cli/agent/agent-server.ts";
import { ProcessAgent } from "#cli/agent/process-agent.ts";

const KEY = "Abc-_".repeat(9);
const ORDER = { offerId: "process", service: "echo", slots: 20, pricePerHourMax: 1 };

let agent: ProcessAgent;
let server: Server;
let port: number;

beforeAll(async () => {
  agent = new ProcessAgent({
    offer: { offerId: "process", region: "weur", slotsMax: 50, pricePerHour: 0.5 },
    unitCountMax: 2,
    services: ["echo"],
    command: ["false"],
    healthPath: "/",
    ports: { first: 21_000, last: 21_099 },
    startDelayMs: 0,
    readyMsMax: 1_000,
    silenceMsMax: 20_000,
    ownerMsMax: Infinity,
    recordFile: "/dev/null",
    environment: {},
    log: () => {},
  });
  server = agentServer(agent, KEY);
  await once(server.listen(0, "127.0.0.1"), "listening");
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await agent.close();
});

interface Call {
  readonly method?: string;
  readonly path: string;
  readonly authorization?: string | null;
  readonly body?: unknown;
}

async function call({
  method = "GET",
  path,
  authorization = `Bearer ${KEY}`,
  body,
}: Call): Promise<{ status: number; response: Response; json: unknown }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: authorization === null ? {} : { authorization },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const said = await response.text();
  return { status: response.status, response, json: said === "" ? null : JSON.parse(said) };
}

describe("without the key", () => {
  it.for([
    { name: "no credential", authorization: null },
    { name: "another key", authorization: `Bearer ${"x".repeat(45)}` },
    { name: "a prefix of the key", authorization: `Bearer ${KEY.slice(0, -1)}` },
    { name: "the key and more", authorization: `Bearer ${KEY}x` },
    { name: "another scheme", authorization: `Basic ${KEY}` },
    { name: "an empty one", authorization: "Bearer " },
  ])("$name: 401 at every route, also those that do not exist, and nothing is changed", async ({ authorization }, { expect }) => {
    for (const [method, path] of [
      ["GET", "/v1/offers"],
      ["GET", "/v1/units"],
      ["PUT", "/v1/units/echo-0"],
      ["DELETE", "/v1/units/echo-0"],
      ["POST", "/v1/units/echo-0/start"],
      ["GET", "/v1/nothing"],
    ] as const) {
      const { status, response, json } = await call({ method, path, authorization, ...(method === "PUT" ? { body: ORDER } : {}) });
      expect(status).toBe(401);
      expect(response.headers.get("www-authenticate")).toContain("Bearer");
      expect(json).toMatchObject({ type: "/problems/unauthorized" });
    }
    expect(agent.all).toEqual([]);
  });

  it("only that it lives is told", async ({ expect }) => {
    expect((await call({ path: "/livez", authorization: null })).status).toBe(200);
    // A key in the URL is no key.
    expect((await call({ path: `/v1/offers?key=${KEY}`, authorization: null })).status).toBe(401);
  });
});

describe("verbs", () => {
  it("may be repeated: reserve, drain and stop answer the same", async ({ expect }) => {
    const reserved = await call({ method: "PUT", path: "/v1/units/a", body: ORDER });
    expect(reserved).toMatchObject({ status: 200, json: { unitId: "a", state: "reserved", pricePerHour: 0.5, url: null, failure: null } });
    expect((await call({ method: "PUT", path: "/v1/units/a", body: ORDER })).json).toEqual(reserved.json);
    expect((await call({ path: "/v1/units?service=echo" })).json).toEqual({ units: [reserved.json] });
    expect((await call({ path: "/v1/offers" })).json).toMatchObject({ offers: [{ offerId: "process", availableCount: 1 }] });
    for (let time = 0; time < 2; time += 1)
      expect(await call({ method: "POST", path: "/v1/units/a/drain" })).toMatchObject({ json: { state: "draining" } });
    for (let time = 0; time < 2; time += 1) expect((await call({ method: "DELETE", path: "/v1/units/a" })).status).toBe(204);
    expect((await call({ path: "/v1/units" })).json).toEqual({ units: [] });
  });

  it.for([
    {
      name: "an unknown offer",
      body: { ...ORDER, offerId: "gpu" },
      status: 404,
      type: "unknown-offer",
      detail: 'offer "gpu" is not sold here',
    },
    {
      name: "a service that is not sold to",
      body: { ...ORDER, service: "other" },
      status: 404,
      type: "unknown-offer",
      detail: "nothing is sold to service other, expected echo",
    },
    {
      name: "a low price",
      body: { ...ORDER, pricePerHourMax: 0.1 },
      status: 409,
      type: "too-dear",
      detail: "process is 0.5 an hour, at most 0.1 would be paid",
    },
    {
      name: "too many slots",
      body: { ...ORDER, slots: 51 },
      status: 409,
      type: "conflict",
      detail: "a unit of 51 slots was ordered, process has at most 50",
    },
    {
      name: "a missing key",
      body: { offerId: "process" },
      status: 400,
      type: "bad-request",
      detail: "Cannot read the order: service is missing, expected a string",
    },
    {
      name: "an unknown key",
      body: { ...ORDER, image: "evil" },
      status: 400,
      type: "bad-request",
      detail: "Cannot read the order: image is not a known key, expected one of offerId, service, slots, pricePerHourMax",
    },
    {
      name: "half a slot",
      body: { ...ORDER, slots: 0.5 },
      status: 400,
      type: "bad-request",
      detail: "Cannot read the order: slots is 0.5, expected an integer from 1 to 1000000",
    },
    { name: "no JSON", body: "{", status: 400, type: "bad-request", detail: "the body is not JSON, expected an order" },
    {
      name: "a long body",
      body: JSON.stringify({ ...ORDER, image: "x".repeat(5_000) }),
      status: 413,
      type: "body-too-large",
      detail: "the body is longer than 4096 bytes",
    },
  ])("refuse $name", async ({ body, status, type, detail }, { expect }) => {
    expect(await call({ method: "PUT", path: "/v1/units/b", body })).toMatchObject({
      status,
      json: { type: `/problems/${type}`, status, detail },
    });
    expect(agent.all).toEqual([]);
  });

  it.for([
    { name: "a name with a slash in disguise", method: "PUT", path: "/v1/units/..%2f..%2fetc", status: 400 },
    { name: "a name that is too long", method: "DELETE", path: `/v1/units/${"a".repeat(101)}`, status: 400 },
    { name: "an unknown verb", method: "POST", path: "/v1/units/a/reboot", status: 404 },
    { name: "a verb with more behind it", method: "POST", path: "/v1/units/a/start/now", status: 404 },
    { name: "a wrong method", method: "POST", path: "/v1/units/a", status: 405 },
    { name: "a method that objects have", method: "toString", path: "/v1/units/a/start", status: 400 },
    { name: "a service that is none", method: "GET", path: "/v1/units?service=%00", status: 400 },
    { name: "a start of what was never reserved", method: "POST", path: "/v1/units/nobody/start", status: 409 },
    { name: "another version", method: "GET", path: "/v2/offers", status: 404 },
  ])("answer $name with $status", async ({ method, path, status }, { expect }) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { authorization: `Bearer ${KEY}` } });
    expect(answer.status).toBe(status);
    if (status === 405) expect(answer.headers.get("allow")).toBe("PUT, DELETE");
  });

  it("beyond --units-max there is no capacity", async ({ expect }) => {
    for (const unitId of ["c", "d"]) expect((await call({ method: "PUT", path: `/v1/units/${unitId}`, body: ORDER })).status).toBe(200);
    expect(await call({ method: "PUT", path: "/v1/units/e", body: ORDER })).toMatchObject({
      status: 503,
      json: { type: "/problems/out-of-capacity" },
    });
    for (const unitId of ["c", "d"]) await call({ method: "DELETE", path: `/v1/units/${unitId}` });
  });
});

describe("what is not a request", () => {
  it("headers beyond 8 KiB are refused", async ({ expect }) => {
    expect(await raw(`GET /v1/offers HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(9_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/);
  });

  it("a body that breaks off reserves nothing", async ({ expect }) => {
    const head = `PUT /v1/units/f HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${KEY}\r\ncontent-length: 100\r\n\r\n`;
    await raw(`${head}{"offerId":`);
    expect(agent.all).toEqual([]);
    expect((await call({ path: "/v1/offers" })).status).toBe(200);
  });
});

/** Sends and hangs up. */
async function raw(message: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.end(message);
  return text(socket);
}
