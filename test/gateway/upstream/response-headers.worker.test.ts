import { parseList } from "structured-headers";
import { expect, it } from "vitest";
import { changeResponseHeaders, readResponseHeaders } from "#gateway/upstream/response-headers.ts";

const OWN = { connectionIdentifier: 'service="echo"', priority: null, serverTiming: "upstream;dur=1", rateLimit: '"gold-rate";r=100' };

it("keeps what an endpoint says of its own limit beside the gateway's: no answer promises more than either", () => {
  const headers = new Headers({ ratelimit: '"daily";r=0;t=50', "ratelimit-policy": '"daily";q=10;w=60', "retry-after": "50" });
  changeResponseHeaders(headers, readResponseHeaders(headers).dropped, OWN);
  const limits = parseList(headers.get("ratelimit") ?? "").map(([name, parameters]) => [name, parameters.get("r")]);
  expect(limits).toEqual([
    ["daily", 0],
    ["gold-rate", 100],
  ]);
  expect(headers.get("ratelimit-policy")).toBe('"daily";q=10;w=60');
  expect(headers.get("retry-after")).toBe("50");
});
