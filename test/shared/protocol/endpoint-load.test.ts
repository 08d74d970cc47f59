import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEndpointLoad } from "#shared/protocol/endpoint-load.ts";

describe("endpoint-load-metrics", () => {
  it.for([
    { header: 'JSON {"cpu_utilization":0.3,"application_utilization":0.4}', want: 0.4 },
    { header: 'JSON {"cpu_utilization": 0.3, "named_metrics": {"queue": 4}}', want: 0.3 },
    { header: '{"cpu_utilization":1.5}', want: 1.5 },
    { header: "TEXT cpu_utilization=0.25, mem_utilization=0.9", want: 0.25 },
    { header: "TEXT application_utilization=0,cpu_utilization=0.5", want: 0 },
    { header: 'JSON {"mem_utilization":0.9}', want: null },
    { header: 'JSON {"cpu_utilization":"high"}', want: null },
    { header: 'JSON {"cpu_utilization":-1}', want: null },
    { header: 'JSON {"cpu_utilization":1e9}', want: null },
    { header: "JSON [1, 2]", want: null },
    { header: "JSON null", want: null },
    { header: "JSON {", want: null },
    { header: "BIN CZqZmZmZmbk/MQAAAAAAAABA", want: null },
    { header: "TEXT cpu_utilization=", want: null },
    { header: "", want: null },
    { header: `JSON {"cpu_utilization":0.3,"x":"${"y".repeat(5_000)}"}`, want: null },
  ])("$header says $want", ({ header, want }) => {
    expect(parseEndpointLoad(header)).toBe(want);
  });

  it("never throws, and says a number from 0 to 100 or nothing", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `JSON ${json}`),
          fc.string().map((text) => `TEXT ${text}`),
        ),
        (header) => {
          const load = parseEndpointLoad(header);
          expect(load === null || (load >= 0 && load <= 100)).toBe(true);
        },
      ),
    );
  });
});
