import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "vitest";
import { historyBins, type HistoryBin } from "#cli/history/history-bins.ts";
import type { TracePoint } from "#cli/load/trace-point.ts";
import { OPERATOR_KEY, sendJson, startFakeGateway } from "./fake-gateway.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

async function* rowsOf(values: readonly (readonly [number, number])[]): AsyncGenerator<TracePoint> {
  for (const [atMs, value] of values) yield { atMs, value };
}

async function binsOf(
  values: readonly (readonly [number, number])[],
  more: Partial<Omit<Parameters<typeof historyBins>[0], "points">> = {},
): Promise<HistoryBin[]> {
  const { stepMs = 60_000 } = more;
  const bins: HistoryBin[] = [];
  const last = values.at(-1)?.[0] ?? 0;
  for await (const bin of historyBins({
    points: rowsOf(values),
    stepMs,
    fromMs: 0,
    untilMs: last + stepMs,
    scale: 1,
    holdMs: 100,
    ...more,
  }))
    bins.push(bin);
  return bins;
}

describe("a trace as bins of ten seconds", () => {
  it("spreads each row over its step; slots are arrivals × hold", async ({ expect }) => {
    const bins = await binsOf([
      [0, 600],
      [60_000, 1_200],
    ]);
    expect(bins.map(({ arrivalsPerSecond }) => arrivalsPerSecond)).toEqual([...Array<number>(6).fill(10), ...Array<number>(6).fill(20)]);
    expect(bins[0]?.slots).toBeCloseTo(1, 9);
    expect(bins.at(-1)?.slots).toBeCloseTo(2, 9);
  });

  it("keeps every arrival, whatever steps, cuts and gaps there are", async ({ expect }) => {
    const rows = [
      [3_000, 70],
      [10_000, 140],
      [17_000, 7],
      [59_000, 21],
    ] as const;
    const bins = await binsOf(rows, { stepMs: 7_000, untilMs: 70_000 });
    expect(bins).toHaveLength(7);
    expect(bins.reduce((sum, { arrivalsPerSecond }) => sum + 10 * arrivalsPerSecond, 0)).toBeCloseTo(238, 9);
    // Nothing between 24 s and 59 s.
    expect(bins.slice(3, 5).map(({ slots }) => slots)).toEqual([0, 0]);
  });

  it("tells the part that is asked for, times the scale", async ({ expect }) => {
    const bins = await binsOf(
      [
        [0, 600],
        [60_000, 1_200],
      ],
      { fromMs: 50_000, untilMs: 75_000, scale: 2 },
    );
    expect(bins.map(({ arrivalsPerSecond }) => arrivalsPerSecond)).toEqual([20, 40]);
  });
});

describe("tidegate history", () => {
  it.for([
    { args: ["--speed", "61"], want: /Cannot read --speed: is "61", expected an integer from 1 to 60/ },
    { args: ["--hold", "0ms"], want: /Cannot read --hold: is "0ms", expected a duration from 1ms to 1h/ },
    { args: ["--service", "Echo"], want: /Cannot read --service: is "Echo", expected a service's name/ },
    { args: ["--scale", "-1"], want: /Cannot read --scale: is "-1", expected a number from 0 to 1000000/ },
    { args: ["--from", "9d"], want: /Cannot read --from: is "9d", expected a time within the trace/ },
  ])("refuses $args", async ({ args, want }, { expect }) => {
    const folder = await temporaryFolder();
    const file = join(folder, "trace.csv");
    await writeFile(file, "2026-01-01 00:00:00,1\n2026-01-01 00:01:00,1\n");
    const defaults = { "--trace": file, "--service": "echo", "--hold": "50ms", "--state": folder };
    const [option = "", value = ""] = args;
    const argv = Object.entries({ ...defaults, [option]: value }).flat();
    const run = await runCli(["history", ...argv]);
    expect(run.stderr).toMatch(want);
    expect(run.exitCode).toBe(2);
  });

  it("refuses a trace that is longer than the forecaster remembers", async ({ expect }) => {
    const folder = await temporaryFolder();
    const file = join(folder, "trace.csv");
    await writeFile(file, "2026-01-01 00:00:00,1\n2026-01-01 01:00:00,1\n2026-04-01 00:00:00,1\n");
    const run = await runCli(["history", "--trace", file, "--service", "echo", "--hold", "50ms", "--state", folder]);
    expect(run.stderr).toMatch(/Cannot read --for: is "90d", expected at most 60d/);
  });

  it.for([
    { speed: "1", says: /known until \d{4}-\S+Z\n$/ },
    { speed: "60", says: /known until \d{4}-\S+Z by the demand's clock\n$/ },
  ])("says until when demand is known, and by which clock at --speed $speed", async ({ speed, says }, { expect }) => {
    const folder = await temporaryFolder();
    const trace = join(folder, "trace.csv");
    await writeFile(trace, "timestamp,value\n2026-01-05 00:00:00,6\n2026-01-05 00:01:00,12\n");
    await writeFile(join(folder, "operator.key"), `${OPERATOR_KEY}\n`);
    const gateway = await startFakeGateway({ answer: (_, response) => sendJson(response, 200, { service: "echo", knownUntilMs: 0 }) });
    const options = ["--url", gateway.url, "--state", folder, "--speed", speed];
    const { exitCode, stdout } = await runCli(["history", "--trace", trace, "--service", "echo", "--hold", "50ms", ...options]);
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(says)]);
  });
});
