import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkEndpointUrl, isLoopback } from "#shared/config/endpoint-url.ts";
import { faultsOf, serviceFile, whole } from "./documents.ts";

const NOT_ABSOLUTE = "an absolute URL such as https://api.example.com/base";
const NOT_HTTPS = "https://, http:// only to this machine (or allowInsecure: true)";
const ADDRESS = "a host name, not an IP address (or allowInsecure: true)";
const CREDENTIALS = "a URL without user or password: credentials do not belong in configuration";
const QUERY = "a URL without query and fragment";

describe("accepts", () => {
  it.for([
    "https://api.example.com",
    "https://api.example.com/",
    "https://api.example.com/base/path",
    "https://api.example.com/base/",
    "https://api.example.com:8443",
    "https://intranet",
    "https://xn--bcher-kva.example",
    "https://1.example.com",
    "https://127.0.0.1.example.com",
    "http://localhost",
    "http://localhost:9101",
    "http://127.0.0.1:9101",
    "http://127.0.0.2",
    "http://127.255.255.254/base",
    "http://[::1]:9101",
    "https://127.0.0.1",
    "https://[::1]",
    // WHATWG spells these 127.0.0.1 and ::1: this machine, however it is written.
    "http://127.1",
    "http://2130706433",
    "http://0x7f000001",
    "http://017700000001",
    "http://127.0.0.1.",
    "http://[0:0:0:0:0:0:0:1]",
    "http://LOCALHOST",
  ])("%s", (url) => {
    expect(checkEndpointUrl(url, false)).toBeNull();
    expect(checkEndpointUrl(url, true)).toBeNull();
  });
});

describe("refuses, unless allowInsecure says otherwise,", () => {
  it.for([
    { url: "http://api.example.com", says: NOT_HTTPS },
    { url: "http://10.0.0.1", says: NOT_HTTPS },
    { url: "http://169.254.169.254/latest/meta-data", says: NOT_HTTPS },
    { url: "http://0.0.0.0", says: NOT_HTTPS },
    { url: "http://0", says: NOT_HTTPS },
    { url: "http://128.0.0.1", says: NOT_HTTPS },
    { url: "http://127.0.0.1.example.com", says: NOT_HTTPS },
    { url: "http://localhost.example.com", says: NOT_HTTPS },
    { url: "http://[::]", says: NOT_HTTPS },
    { url: "http://[::2]", says: NOT_HTTPS },
    { url: "https://10.0.0.1", says: ADDRESS },
    { url: "https://8.8.8.8", says: ADDRESS },
    { url: "https://169.254.169.254", says: ADDRESS },
    { url: "https://[fd00::1]", says: ADDRESS },
    { url: "https://[2001:db8::1]:8443", says: ADDRESS },
    { url: "https://[::ffff:127.0.0.1]", says: ADDRESS },
    { url: "https://[::ffff:10.0.0.1]", says: ADDRESS },
    // The same addresses as a parser reads them and a regular expression does not.
    { url: "https://134744072", says: ADDRESS },
    { url: "https://0x08080808", says: ADDRESS },
    { url: "https://010.010.010.010", says: ADDRESS },
    { url: "https://10.1", says: ADDRESS },
    { url: "https://8.8.8.8.", says: ADDRESS },
    { url: "https://0xA9.0xFE.0xA9.0xFE", says: ADDRESS },
    { url: "https://⑧.⑧.⑧.⑧", says: ADDRESS },
    { url: "https://１０.0.0.1", says: ADDRESS },
  ])("$url", ({ url, says }) => {
    expect(checkEndpointUrl(url, false)).toBe(says);
    expect(checkEndpointUrl(url, true)).toBeNull();
  });
});

describe("refuses, allowInsecure or not,", () => {
  it.for([
    { url: "", says: NOT_ABSOLUTE },
    { url: "api.example.com", says: NOT_ABSOLUTE },
    { url: "/base", says: NOT_ABSOLUTE },
    { url: "//api.example.com", says: NOT_ABSOLUTE },
    { url: "https://", says: NOT_ABSOLUTE },
    { url: "https://api.example.com:99999", says: NOT_ABSOLUTE },
    { url: "https://256.256.256.256", says: NOT_ABSOLUTE },
    { url: "https://a b.example", says: NOT_ABSOLUTE },
    { url: "ftp://api.example.com", says: "https:// (or http:// to this machine), not ftp://" },
    { url: "wss://api.example.com", says: "https:// (or http:// to this machine), not wss://" },
    { url: "file:///etc/passwd", says: "https:// (or http:// to this machine), not file://" },
    { url: "data:text/plain,x", says: "https:// (or http:// to this machine), not data://" },
    { url: "https://user@api.example.com", says: CREDENTIALS },
    { url: "https://user:secret@api.example.com", says: CREDENTIALS },
    { url: "https://:secret@api.example.com", says: CREDENTIALS },
    { url: "http://127.0.0.1@evil.example", says: CREDENTIALS },
    { url: "https://api.example.com?key=1", says: QUERY },
    { url: "https://api.example.com/#top", says: QUERY },
    { url: "http://127.0.0.1#@evil.example", says: QUERY },
    // What the device asks for is appended to the text: behind these it would become query, fragment or nonsense.
    { url: "https://api.example.com/?", says: QUERY },
    { url: "https://api.example.com/#", says: QUERY },
  ])("$url", ({ url, says }) => {
    expect(checkEndpointUrl(url, false)).toBe(says);
    expect(checkEndpointUrl(url, true)).toBe(says);
  });
});

// Appending to these gives no URL, or one with an empty first step.
it.for(["https://api.example.com ", "https://api.example.com\n", "https://api.example.com\\"])(
  "refuses %j, which is an address only after a browser's repairs",
  (url) => {
    expect(checkEndpointUrl(url, false)).toEqual(expect.any(String));
  },
);

it("accepts no URL from which a request could go elsewhere than it says, for any text", () => {
  const piece = fc.constantFrom(
    "https://",
    "http://",
    "127.0.0.1",
    "localhost",
    "[::1]",
    "api.example",
    "@",
    ":",
    "/",
    "?",
    "#",
    "\\",
    "a",
    ".",
    "%2f",
    "0x7f",
    " ",
    "é",
  );
  const text = fc.oneof(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(text, fc.boolean(), (url, allowInsecure) => {
      if (checkEndpointUrl(url, allowInsecure) !== null) return;
      // As the edge appends a path to it.
      const target = new URL(`${url.endsWith("/") ? url.slice(0, -1) : url}/probe`);
      const base = new URL(url);
      expect({ origin: target.origin, search: target.search, hash: target.hash, user: target.username }).toEqual({
        origin: base.origin,
        search: "",
        hash: "",
        user: "",
      });
      expect(target.pathname).toBe(`${base.pathname.endsWith("/") ? base.pathname.slice(0, -1) : base.pathname}/probe`);
      if (!allowInsecure) expect(target.protocol === "https:" || isLoopback(target.hostname)).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});

it("names file and endpoint, and shows what was written", () => {
  const endpoints = [
    { url: "https://api.example.com", capacity: 1 },
    { url: "http://10.0.0.1", capacity: 1 },
    { url: "http://10.0.0.2", capacity: 1, allowInsecure: true },
    { url: "ftp://10.0.0.3", capacity: 1, allowInsecure: true },
  ];
  expect(faultsOf(whole(serviceFile({ endpoints })))).toEqual([
    { file: "services/echo.yaml", path: ["endpoints", 1, "url"], message: `is "http://10.0.0.1", expected ${NOT_HTTPS}` },
    {
      file: "services/echo.yaml",
      path: ["endpoints", 3, "url"],
      message: 'is "ftp://10.0.0.3", expected https:// (or http:// to this machine), not ftp://',
    },
  ]);
});

it.for(["hunter2", "hun:hunter2", "hun@hunter2", 'hun"hunter2', "hun%40hunter2"])(
  "does not repeat the password %j that stands in a URL",
  (password) => {
    const [fault] = faultsOf(whole(serviceFile({ endpoints: [{ url: `https://user:${password}@api.example.com`, capacity: 1 }] })));
    expect(fault).toMatchObject({ path: ["endpoints", 0, "url"], message: expect.stringContaining(CREDENTIALS) as string });
    expect(fault?.message).not.toContain("hunter2");
  },
);
