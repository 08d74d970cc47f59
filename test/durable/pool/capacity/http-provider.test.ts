// Against a real server that answers as it is told: garbage, lies, silence.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest";
import { HttpCapacityProvider } from "#durable/pool/capacity/http-provider.ts";
import { AGENT_LIMITS } from "#shared/protocol/capacity-agent.ts";
import type { CapacityAnswer, CapacityUnit } from "#shared/protocol/capacity-provider.ts";

const KEY = "k".repeat(43);
const ORDER = { unitId: "echo-1", offerId: "process", service: "echo", slots: 20, pricePerHourMax: 1 };
const UNIT: CapacityUnit = {
  unitId: "echo-1",
  offerId: "process",
  service: "echo",
  state: "ready",
  url: "http://127.0.0.1:21000",
  slots: 20,
  pricePerHour: 0.5,
  failure: null,
};

let server: Server;
let url: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: { readonly method: string; readonly path: string; readonly authorization: string; readonly body: string }[];

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { method = "", headers } = request;
      asked.push({ method, path: request.url ?? "", authorization: headers.authorization ?? "", body });
      answer(request, response);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function providerOf(more: Partial<ConstructorParameters<typeof HttpCapacityProvider>[0]> = {}): HttpCapacityProvider {
  return new HttpCapacityProvider({ url, key: KEY, ...more });
}

function answers(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  answer = (_request, response) => {
    response.writeHead(status, headers);
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

function refusalOf(got: CapacityAnswer<unknown>): string {
  return got.ok ? "ok" : `${got.reason}: ${got.detail}`;
}

describe("asks", () => {
  it.for([
    { name: "offers", call: (p: HttpCapacityProvider) => p.offers(), want: "GET /v1/offers", body: { offers: [] } },
    { name: "units", call: (p: HttpCapacityProvider) => p.units("echo"), want: "GET /v1/units?service=echo", body: { units: [] } },
    { name: "reserve", call: (p: HttpCapacityProvider) => p.reserve(ORDER), want: "PUT /v1/units/echo-1", body: UNIT },
    { name: "start", call: (p: HttpCapacityProvider) => p.start("echo-1"), want: "POST /v1/units/echo-1/start", body: UNIT },
    { name: "drain", call: (p: HttpCapacityProvider) => p.drain("echo-1"), want: "POST /v1/units/echo-1/drain", body: UNIT },
    { name: "stop", call: (p: HttpCapacityProvider) => p.stop("echo-1"), want: "DELETE /v1/units/echo-1", body: {} },
  ])("$name by its own verb, with the key in its header only", async ({ call, want, body }, { expect }) => {
    answers(200, body);
    expect(await call(providerOf())).toMatchObject({ ok: true });
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([want]);
    expect(asked[0]?.authorization).toBe(`Bearer ${KEY}`);
    expect(`${asked[0]?.path}${asked[0]?.body}`).not.toContain(KEY);
  });

  it("nothing where there is no key", async ({ expect }) => {
    expect(refusalOf(await providerOf({ key: null }).offers())).toBe(
      `unauthorized: there is no key for ${url}, expected one in CAPACITY_AGENT_KEYS`,
    );
    expect(asked).toEqual([]);
  });
});

describe("is told no", () => {
  it.for([
    { status: 404, reason: "unknown-offer" },
    { status: 503, reason: "out-of-capacity" },
    { status: 409, reason: "too-dear" },
    { status: 409, reason: "conflict" },
    { status: 401, reason: "unauthorized" },
  ])("$reason, in the agent's words", async ({ status, reason }, { expect }) => {
    answers(status, { type: `/problems/${reason}`, detail: "so it is" });
    expect(refusalOf(await providerOf().reserve(ORDER))).toBe(`${reason}: so it is`);
  });

  it.for([
    { name: "an empty 500", status: 500, body: "", want: "unavailable: status 500 without a problem that we know" },
    { name: "a proxy's 403", status: 403, body: "<html>", want: "unauthorized: status 403 without a problem that we know" },
    {
      name: "a problem of its own",
      status: 400,
      body: { type: "about:blank" },
      want: "unavailable: status 400 without a problem that we know",
    },
  ])("by $name", async ({ status, body, want }, { expect }) => {
    answers(status, body);
    expect(refusalOf(await providerOf().start("echo-1"))).toBe(want);
  });

  it("by a redirect, which is not followed: the key stays here", async ({ expect }) => {
    answers(307, "", { location: `${url}/elsewhere` });
    expect(refusalOf(await providerOf().offers())).toMatch(/^unavailable: status 307/);
    expect(asked).toHaveLength(1);
  });
});

describe("garbage is a refusal that says what is wrong", () => {
  it.for([
    { name: "not JSON", body: "hello", want: "the agent answered something that is not JSON" },
    { name: "nothing", body: "", want: "the agent answered something that is not JSON" },
    { name: "null", body: "null", want: "the agent's answer is wrong: it is null, expected an object" },
    { name: "another shape", body: { units: {} }, want: "the agent's answer is wrong: units is {}, expected an array" },
    {
      name: "a unit without state",
      body: { units: [{ ...UNIT, state: "warm" }] },
      want: /^the agent's answer is wrong: units\[0\]\.state is "warm", expected one of reserved/,
    },
    {
      name: "ready, and nowhere",
      body: { units: [{ ...UNIT, url: null }] },
      want: "the agent's answer is wrong: units[0].url is null, expected where it answers, as it is ready",
    },
    {
      name: "a negative price",
      body: { units: [{ ...UNIT, pricePerHour: -1 }] },
      want: /^the agent's answer is wrong: units\[0\]\.pricePerHour is -1, expected a number from 0/,
    },
    {
      name: "no number of slots",
      body: { units: [{ ...UNIT, slots: 0.5 }] },
      want: /^the agent's answer is wrong: units\[0\]\.slots is 0.5, expected an integer/,
    },
    { name: "one unit twice", body: { units: [UNIT, UNIT] }, want: /expected each unit once$/ },
    {
      name: "another service's units",
      body: { units: [{ ...UNIT, service: "other" }] },
      want: "the agent answered unit echo-1 of service other, expected those of echo",
    },
    {
      name: "too many",
      body: { units: Array.from({ length: 1_025 }, (_, index) => ({ ...UNIT, unitId: `u-${index}` })) },
      want: /expected at most 1024 entries$/,
    },
    { name: "too much", body: " ".repeat(AGENT_LIMITS.answerBytesMax + 1), want: "the agent answered more than 1048576 bytes" },
  ])("$name", async ({ body, want }, { expect }) => {
    answers(200, body);
    const got = await providerOf().units("echo");
    expect(got).toMatchObject({ ok: false, reason: "unavailable" });
    expect(got.ok ? "" : got.detail).toMatch(want);
  });

  it.for([
    { name: "another unit", unit: { ...UNIT, unitId: "echo-2" }, want: "unavailable: the agent answered unit echo-2, expected echo-1" },
    {
      name: "another size",
      unit: { ...UNIT, slots: 5 },
      want: "unavailable: the agent answered 5 slots of process for echo, expected 20 of process for echo",
    },
    { name: "a higher price", unit: { ...UNIT, pricePerHour: 2 }, want: /^too-dear: .* reserved it at 2 an hour, expected at most 1$/ },
  ])("a reservation of $name", async ({ unit, want }, { expect }) => {
    answers(200, unit);
    expect(refusalOf(await providerOf().reserve(ORDER))).toMatch(want);
  });
});

describe("no answer", () => {
  it("within the time limit, before the headers or between two bytes of the body", async ({ expect }) => {
    answer = () => {};
    expect(refusalOf(await providerOf({ timeoutMs: 50 }).offers())).toMatch(/^unavailable: .* gave no answer within 50 ms/);
    answer = (_request, response) => {
      response.writeHead(200);
      response.write('{"offers":');
    };
    expect(refusalOf(await providerOf({ timeoutMs: 50 }).offers())).toMatch(/^unavailable: .* gave no answer within 50 ms/);
  });

  it("where nobody listens, or the connection breaks", async ({ expect }) => {
    expect(refusalOf(await providerOf({ url: "http://127.0.0.1:1" }).offers())).toMatch(
      /^unavailable: http:\/\/127\.0\.0\.1:1 cannot be reached: /,
    );
    answer = (request) => void request.socket.destroy();
    expect(refusalOf(await providerOf().offers())).toMatch(/^unavailable: /);
  });
});

describe("a unit's address", () => {
  it.for([
    { name: "the agent's host, another port", unitUrl: "http://127.0.0.1:21000", state: "ready" },
    { name: "this machine by another name", unitUrl: "http://localhost:21000", state: "ready" },
    { name: "a host that is allowed", unitUrl: "https://u1.example.com", more: { unitHosts: ["u1.example.com"] }, state: "ready" },
    { name: "another host", unitUrl: "https://evil.example.com", state: "failed" },
    { name: "the cloud's metadata", unitUrl: "http://169.254.169.254/latest", state: "failed" },
    {
      name: "metadata, though it was allowed as insecure",
      unitUrl: "http://169.254.169.254/",
      more: { allowInsecure: true },
      state: "failed",
    },
    { name: "a password", unitUrl: "http://user:secret@127.0.0.1:21000", state: "failed" },
    { name: "no URL", unitUrl: "file:///etc/passwd", state: "failed" },
  ])("on $name: $state", async ({ unitUrl, more, state }, { expect }) => {
    answers(200, { units: [{ ...UNIT, url: unitUrl }] });
    const got = await providerOf(more).units("echo");
    expect(got).toMatchObject({ ok: true, value: [{ state, url: state === "ready" ? unitUrl : null }] });
  });

  it("that is the agent's own is none: devices' requests would go there", async ({ expect }) => {
    answers(200, { units: [{ ...UNIT, url }] });
    expect(await providerOf().units("echo")).toMatchObject({
      value: [{ state: "failed", failure: `its agent says that it is at ${url}, expected another port than the agent's` }],
    });
  });
});
