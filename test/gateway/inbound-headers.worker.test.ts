import { describe, expect, it } from "vitest";
import { readInboundHeaders } from "#gateway/upstream/inbound-headers.ts";
import { LIMITS } from "#shared/limits.ts";

function read(headers: Record<string, string>) {
  const inbound = readInboundHeaders(new Headers(headers));
  if (!inbound.ok) throw new Error(inbound.outcome);
  return inbound;
}

describe("the headers of a device", () => {
  it("lose what their Connection header names", () => {
    const { forwarded } = read({ connection: "close, X-Secret-Hop", "x-secret-hop": "1", "x-kept": "1" });
    expect(Object.keys(forwarded)).toEqual(["x-kept"]);
  });

  it("may have any name", async () => {
    const { forwarded } = read({ "x-kept": "1", __proto__x: "1", constructor: "2", ["__proto__"]: "3" });
    const seen = new Headers(forwarded);
    expect([...seen.keys()].toSorted()).toEqual(["__proto__", "__proto__x", "constructor", "x-kept"]);
    expect(seen.get("__proto__")).toBe("3");
  });

  it("lose what an endpoint may read as the gateway's own word: with another sign where that has a hyphen", () => {
    const names = ["connection_identifier", "Connection.Identifier", "x_request_id", "x_forwarded_for", "x-forwarded_host", "x_real_ip"];
    const others = ["cf_connecting_ip", "tidegate_session", "proxy_authorization"];
    const { forwarded } = read({
      ...Object.fromEntries([...names, ...others].map((name) => [name, "mine"])),
      x_kept: "1",
      "my_x-forwarded-for": "2",
    });
    expect(Object.keys(forwarded).toSorted()).toEqual(["my_x-forwarded-for", "x_kept"]);
  });

  it("are allowed up to the limit, name and separators counted, and not a byte further", () => {
    const room = LIMITS.headerBytesMax - "x-a".length - 4;
    expect(readInboundHeaders(new Headers({ "x-a": "v".repeat(room) })).ok).toBe(true);
    expect(readInboundHeaders(new Headers({ "x-a": "v".repeat(room + 1) }))).toMatchObject({ ok: false, outcome: "headers-too-large" });
  });

  it("give the token among the subprotocols to the gateway, and the others to the endpoint", () => {
    const inbound = read({
      "sec-websocket-protocol": "app.v1 , tidegate.bearer.abc.def.ghi,app.v2",
      "sec-websocket-key": "k",
      upgrade: "WebSocket",
    });
    expect(inbound.protocolToken).toBe("abc.def.ghi");
    expect(inbound.isUpgrade).toBe(true);
    expect({ ...inbound.forwarded }).toEqual({ "sec-websocket-protocol": "app.v1, app.v2" });
  });

  it.for([
    { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", isValid: true },
    { traceparent: "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-future", isValid: true },
    { traceparent: "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", isValid: false },
    { traceparent: "00-00000000000000000000000000000000-b7ad6b7169203331-01", isValid: false },
    { traceparent: "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", isValid: false },
    { traceparent: "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", isValid: false },
    { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", isValid: false },
  ])("keep a trace only where it is valid: $traceparent", ({ traceparent, isValid }) => {
    expect(Object.keys(read({ traceparent, tracestate: "a=1" }).forwarded)).toEqual(isValid ? ["traceparent", "tracestate"] : []);
  });
});
