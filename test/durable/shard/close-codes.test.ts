import { describe, expect, it } from "vitest";
import { translateClose } from "#durable/shard/close-codes.ts";

describe("a close", () => {
  it.for([
    { name: "passes a normal close on", from: "device", code: 1000, reason: "done", want: { code: 1000, reason: "done" } },
    { name: "passes an application's code on", from: "endpoint", code: 4001, reason: "mine", want: { code: 4001, reason: "mine" } },
    { name: "without a status stays without one", from: "device", code: 1005, reason: "", want: { reason: "" } },
    {
      name: "tells the endpoint that the device went away",
      from: "device",
      code: 1006,
      reason: "",
      want: { code: 1001, reason: "device went away" },
    },
    {
      name: "tells the device that the endpoint broke",
      from: "endpoint",
      code: 1006,
      reason: "",
      want: { code: 1014, reason: "endpoint went away" },
    },
    {
      name: "hides a TLS failure behind bad upstream",
      from: "endpoint",
      code: 1015,
      reason: "",
      want: { code: 1014, reason: "endpoint went away" },
    },
    { name: "never sends the reserved 1004", from: "endpoint", code: 1004, reason: "", want: { code: 1014, reason: "endpoint went away" } },
  ] as const)("$name", ({ from, code, reason, want }) => {
    expect(translateClose(from, { code, reason })).toEqual(want);
  });

  it("has a code that may be sent, and a reason of at most 123 bytes that is still text, whatever comes", () => {
    for (let code = 0; code <= 5_100; code += 1) {
      const close = translateClose("endpoint", { code, reason: "é".repeat(100) });
      if (close.code !== undefined) {
        expect(close.code).toBeGreaterThanOrEqual(1000);
        expect(close.code).toBeLessThanOrEqual(4999);
        expect([1004, 1005, 1006, 1015]).not.toContain(close.code);
      }
      expect(new TextEncoder().encode(close.reason).length).toBeLessThanOrEqual(123);
      expect(close.reason).not.toContain("\uFFFD");
    }
  });
});
