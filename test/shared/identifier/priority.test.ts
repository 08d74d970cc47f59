import * as fc from "fast-check";
import { expect, it } from "vitest";
import { formatPriority, parsePriority } from "#shared/identifier/connection-identifier.ts";
import { flowOf } from "#shared/identifier/entitlement.ts";
import { anyIdentifier } from "./any-identifier.ts";

it.for([
  { header: "u=1, i", asked: { urgency: 1, incremental: true } },
  { header: "u=0", asked: { urgency: 0 } },
  { header: "u=7", asked: { urgency: 7 } },
  { header: "i", asked: { incremental: true } },
  { header: "i=?1", asked: { incremental: true } },
  { header: "i=?0", asked: { incremental: false } },
  { header: "i;x=1, u=5;y", asked: { urgency: 5, incremental: true } },
  { header: "u=1, u=3", asked: { urgency: 3 } },
  { header: "i, i=?0", asked: { incremental: false } },
  { header: "u=2, future=(1 2), i", asked: { urgency: 2, incremental: true } },
  { header: "", asked: {} },
])("Priority: $header is understood", ({ header, asked }) => {
  expect(parsePriority(header)).toEqual(asked);
});

// RFC 9218 §4: "parameters with out-of-range values, or values of unexpected types MUST be ignored"; so MUST unparsable fields.
it.for([
  { header: "u=8, i", asked: { incremental: true } },
  { header: "u=9", asked: {} },
  { header: "u=-1", asked: {} },
  { header: "u=1.5", asked: {} },
  { header: "u=1.0", asked: {} },
  { header: 'u="1"', asked: {} },
  { header: "u=high", asked: {} },
  { header: "u=?1", asked: {} },
  { header: "u", asked: {} },
  { header: "u=(1)", asked: {} },
  { header: "u=@1", asked: {} },
  { header: "u=:AQ==:", asked: {} },
  { header: "u=2, u=9", asked: {} },
  { header: "i=1, u=2", asked: { urgency: 2 } },
  { header: "i=true", asked: {} },
  { header: "i=(?1)", asked: {} },
  { header: "U=1", asked: {} },
  { header: "garbage ===", asked: {} },
  { header: "u=1,", asked: {} },
  { header: "u=1; i;", asked: {} },
  { header: "u=1\r\ni", asked: {} },
])("Priority: what is wrong with $header is ignored", ({ header, asked }) => {
  expect(parsePriority(header)).toEqual(asked);
});

it("never fails and never gives more than the RFC's two parameters, for any text", () => {
  const piece = fc.constantFrom("u", "i", "=", ",", ";", " ", "?0", "?1", "3", "8", ".", '"', "(", ")");
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(text, (header) => {
      const { urgency = 0, incremental = false, ...more } = parsePriority(header);
      expect([0, 1, 2, 3, 4, 5, 6, 7]).toContain(urgency);
      expect(incremental).toBeTypeOf("boolean");
      expect(more).toEqual({});
    }),
    { numRuns: 2_000 },
  );
});

it("is read back as it was written, for every identifier that can be applied", () => {
  fc.assert(
    fc.property(anyIdentifier, (applied) => {
      const { urgency, incremental } = applied;
      expect(parsePriority(formatPriority(applied))).toEqual(incremental ? { urgency, incremental } : { urgency });
    }),
  );
});

it("tells flows apart exactly by tenant and class", () => {
  fc.assert(
    fc.property(anyIdentifier, anyIdentifier, fc.subarray(["tenant", "className"] as const), (one, drawn, same) => {
      const other = { ...drawn, ...Object.fromEntries(same.map((key) => [key, one[key]])) };
      expect(flowOf(one) === flowOf(other)).toBe(one.tenant === other.tenant && one.className === other.className);
    }),
  );
});
