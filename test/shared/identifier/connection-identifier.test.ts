import * as fc from "fast-check";
import { serializeDictionary } from "structured-headers";
import { describe, expect, it } from "vitest";
import { formatConnectionIdentifier, parseConnectionIdentifier } from "#shared/identifier/connection-identifier.ts";
import { anyIdentifier } from "./any-identifier.ts";

describe("parseConnectionIdentifier", () => {
  it.for([
    {
      name: "the example of the protocol",
      header: 'service="telemetry", class=gold, urgency=1, tenant="acme", device="d-17"',
      asked: { service: "telemetry", className: "gold", urgency: 1, tenant: "acme", device: "d-17" },
    },
    { name: "an empty header asks for nothing", header: "", asked: {} },
    { name: "white space asks for nothing", header: "   ", asked: {} },
    {
      name: "a token where a string is usual",
      header: "service=echo, tenant=acme, device=d-17",
      asked: { service: "echo", tenant: "acme", device: "d-17" },
    },
    { name: "a string where a token is usual", header: 'class="gold"', asked: { className: "gold" } },
    { name: "escapes in a string", header: String.raw`device="a\"b\\c"`, asked: { device: String.raw`a"b\c` } },
    { name: "an empty string", header: 'device=""', asked: { device: "" } },
    {
      name: "any order, spaces and tabs around commas",
      header: "  urgency=7 \t, \t class=gold  ",
      asked: { urgency: 7, className: "gold" },
    },
    { name: "no space after a comma", header: "urgency=0,class=gold", asked: { urgency: 0, className: "gold" } },
    { name: "leading zeros", header: "urgency=007", asked: { urgency: 7 } },
    { name: "parameters are ignored", header: "class=gold;q=1;x, urgency=2;a=?0", asked: { className: "gold", urgency: 2 } },
    {
      name: "of a key that stands twice, the last holds",
      header: "class=gold, urgency=1, class=silver, urgency=2",
      asked: { className: "silver", urgency: 2 },
    },
    { name: "of a key that stands twice, a bad first one is gone", header: "urgency=9, urgency=2", asked: { urgency: 2 } },
    {
      name: "unknown keys of any type are ignored",
      header: 'x, y=1.5, z=(a b);c, w=:aGk=:, *v=?0, s=%"%c3%bc", class=gold, d=@1',
      asked: { className: "gold" },
    },
    {
      name: "keys named like JavaScript's own are unknown keys",
      header: "constructor=a, tostring=b, classname=c, class-name=d",
      asked: {},
    },
    {
      name: "a token with every character it may have",
      header: "class=*a/b:c!#$%&'*+-.^_`|~9",
      asked: { className: "*a/b:c!#$%&'*+-.^_`|~9" },
    },
  ])("reads $name", ({ header, asked }) => {
    expect(parseConnectionIdentifier(header)).toEqual({ ok: true, asked });
  });

  it.for([
    { name: "class as an integer", header: "class=1", says: "class is not text" },
    { name: "class without a value", header: "class", says: "class is not text" },
    { name: "class as a boolean", header: "class=?1", says: "class is not text" },
    { name: "class as a byte sequence", header: "class=:Z29sZA==:", says: "class is not text" },
    { name: "class as an inner list", header: "class=(gold)", says: "class is not text" },
    { name: "class as an empty inner list", header: "class=()", says: "class is not text" },
    { name: "class as a date", header: "class=@1659578233", says: "class is not text" },
    { name: "class as a display string", header: 'class=%"gold"', says: "class is not text" },
    { name: "service as a decimal", header: "service=1.5", says: "service is not text" },
    { name: "tenant as an integer", header: "tenant=17", says: "tenant is not text" },
    { name: "device as an inner list", header: 'device=("d-17" "d-18")', says: "device is not text" },
    { name: "of two, a bad last one", header: "class=gold, class=1", says: "class is not text" },
    { name: "urgency 8", header: "urgency=8", says: "urgency is something else" },
    { name: "urgency -1", header: "urgency=-1", says: "urgency is something else" },
    { name: "the largest integer there is", header: "urgency=999999999999999", says: "urgency is something else" },
    { name: "urgency as a fraction", header: "urgency=1.5", says: "urgency is something else" },
    // RFC 9651 §3.3.2: a decimal is not an integer, whatever its value.
    { name: "urgency as a decimal", header: "urgency=1.0", says: "urgency is something else" },
    { name: "urgency as text", header: 'urgency="1"', says: "urgency is something else" },
    { name: "urgency as a token", header: "urgency=high", says: "urgency is something else" },
    { name: "urgency without a value", header: "urgency", says: "urgency is something else" },
    { name: "urgency as an inner list", header: "urgency=(1)", says: "urgency is something else" },
    { name: "urgency as a date", header: "urgency=@1", says: "urgency is something else" },
  ])("refuses $name, naming the key and what it expected", ({ header, says }) => {
    const parsed = parseConnectionIdentifier(header);
    expect(parsed).toMatchObject({ ok: false, outcome: "bad-identifier" });
    expect(parsed).toHaveProperty("detail", expect.stringMatching(`^Cannot read Connection-Identifier: ${says}, expected `));
  });

  it.for([
    { name: "garbage", header: "=== !" },
    { name: "a trailing comma", header: "class=gold," },
    { name: "a comma too many", header: "class=gold,,urgency=1" },
    { name: "no comma", header: "class=gold urgency=1" },
    { name: "semicolons for commas, doubled", header: "class=gold;;urgency=1" },
    { name: "a key in capitals", header: "Class=gold" },
    { name: "__proto__, which is no key", header: "__proto__=gold" },
    { name: "a string without an end", header: 'service="echo' },
    { name: "a string with a bad escape", header: String.raw`service="e\cho"` },
    { name: "single quotes", header: "service='echo'" },
    { name: "text beyond ASCII", header: 'service="échо"' },
    { name: "a line break", header: "class=gold\r\nurgency=1" },
    { name: "a null byte", header: "class=gold\0" },
    { name: "an integer of 16 digits", header: "urgency=1000000000000000" },
    { name: "a decimal of too many digits", header: "urgency=1.0000" },
    { name: "an inner list without an end", header: "class=(gold" },
    { name: "JSON", header: '{"class":"gold"}' },
  ])("refuses $name as no dictionary", ({ header }) => {
    expect(parseConnectionIdentifier(header)).toEqual({
      ok: false,
      outcome: "bad-identifier",
      detail: 'Cannot read Connection-Identifier: it is not an RFC 9651 dictionary, expected e.g. service="echo", class=gold, urgency=1',
    });
  });

  it("answers any text with a value that holds only what its type says, never an exception", () => {
    const piece = fc.constantFrom(
      "class",
      "service",
      "urgency",
      "tenant",
      "=",
      ",",
      ";",
      " ",
      '"',
      "(",
      ")",
      "?1",
      ":",
      "7",
      "8",
      "-",
      ".",
      "@",
      "%",
      "\\",
      "é",
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(text, (header) => {
        const parsed = parseConnectionIdentifier(header);
        if (!parsed.ok) expect(parsed.outcome).toBe("bad-identifier");
        for (const [key, value] of Object.entries(parsed.ok ? parsed.asked : {})) {
          expect(["tenant", "device", "service", "className", "urgency"]).toContain(key);
          if (key === "urgency") expect([0, 1, 2, 3, 4, 5, 6, 7]).toContain(value);
          else expect(value).toBeTypeOf("string");
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("gives back any text that a conforming writer wrote", () => {
    const text = fc.string({ unit: "grapheme-ascii" });
    const asked = fc.record(
      { tenant: text, device: text, service: text, class: text, urgency: fc.integer({ min: 0, max: 7 }) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(asked, ({ class: className, ...rest }) => {
        const written = serializeDictionary({ ...rest, ...(className === undefined ? {} : { class: className }) });
        expect(parseConnectionIdentifier(written)).toEqual({
          ok: true,
          asked: { ...rest, ...(className === undefined ? {} : { className }) },
        });
      }),
    );
  });
});

describe("formatConnectionIdentifier", () => {
  it("writes the example of the protocol", () => {
    const applied = { tenant: "acme", device: "d-17", service: "telemetry", className: "gold", urgency: 1, incremental: true };
    expect(formatConnectionIdentifier(applied)).toBe('service="telemetry", class=gold, urgency=1, tenant="acme", device="d-17"');
  });

  it("is read back as it was written, for every identifier that can be applied", () => {
    fc.assert(
      fc.property(anyIdentifier, (applied) => {
        const { incremental: _, ...asked } = applied;
        expect(parseConnectionIdentifier(formatConnectionIdentifier(applied))).toEqual({ ok: true, asked });
      }),
      { numRuns: 1_000 },
    );
  });
});
