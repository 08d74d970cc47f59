import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Random } from "#cli/load/random.ts";
import { syntheticTrace, type SyntheticTraceOptions } from "#cli/load/synthetic-trace.ts";
import { readTrace, summarizeTrace } from "#cli/load/trace-file.ts";
import { parseTimestampMs, parseTracePoint } from "#cli/load/trace-point.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import { collect } from "./async-items.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

const MONDAY_MS = Date.parse("2026-01-05T00:00:00Z");
const FOUR_WEEKS: SyntheticTraceOptions = { startMs: MONDAY_MS, days: 28, stepMs: 5 * MINUTE_MS, peak: 200, seed: 1 };

const values = (options: SyntheticTraceOptions): number[] => [...syntheticTrace(options)].map(({ value }) => value);
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;

/** The mean over all points whose hour and day of the week satisfy the condition. */
function meanWhere(options: SyntheticTraceOptions, condition: (hour: number, weekday: number) => boolean): number {
  const chosen = [...syntheticTrace(options)].filter(({ atMs }) => condition(new Date(atMs).getUTCHours(), new Date(atMs).getUTCDay()));
  return mean(chosen.map(({ value }) => value));
}

it("is the same for the same seed, and another for another", () => {
  expect(values(FOUR_WEEKS)).toEqual(values(FOUR_WEEKS));
  expect(values({ ...FOUR_WEEKS, seed: 2 })).not.toEqual(values(FOUR_WEEKS));
});

it.for([1, 2, 3])("has days, weeks and bursts, and is not constant (seed %i)", (seed) => {
  const options = { ...FOUR_WEEKS, seed };
  const isWeekday = (weekday: number): boolean => weekday >= 1 && weekday <= 5;
  const noon = meanWhere(options, (hour, weekday) => isWeekday(weekday) && hour >= 11 && hour < 17);
  const night = meanWhere(options, (hour, weekday) => isWeekday(weekday) && hour < 5);
  const weekend = meanWhere(options, (hour, weekday) => !isWeekday(weekday) && hour >= 11 && hour < 17);
  expect(noon).toBeGreaterThan(3 * night);
  expect(weekend).toBeLessThan(0.8 * noon);
  expect(weekend).toBeGreaterThan(night);
  expect(new Set(values(options)).size).toBeGreaterThan(50);
  // Ten standard deviations above the busiest expectation is no noise.
  expect(Math.max(...values(options))).toBeGreaterThan(options.peak + 10 * Math.sqrt(options.peak));
});

it("keeps whole, non-negative counts, one per step", () => {
  const points = [...syntheticTrace({ ...FOUR_WEEKS, days: 2, peak: 0.5 })];
  expect(points).toHaveLength((2 * DAY_MS) / (5 * MINUTE_MS));
  expect(points.every(({ value }) => Number.isInteger(value) && value >= 0)).toBe(true);
  expect(points.map(({ atMs }) => atMs)).toEqual(points.map((_, index) => MONDAY_MS + index * 5 * MINUTE_MS));
});

it("has its seasons before 1970 too", () => {
  expect(
    [...syntheticTrace({ ...FOUR_WEEKS, startMs: Date.parse("1960-01-04T00:00:00Z"), days: 1 })].every(({ value }) =>
      Number.isFinite(value),
    ),
  ).toBe(true);
});

it.for([0.3, 5, 60, 65, 5_000])("draws Poisson numbers of mean and variance %f", (expected) => {
  const random = new Random(7);
  const draws = Array.from({ length: 20_000 }, () => random.poisson(expected));
  const average = mean(draws);
  const variance = mean(draws.map((value) => (value - average) ** 2));
  // Five standard errors of each estimate.
  expect(Math.abs(average - expected)).toBeLessThan(5 * Math.sqrt(expected / 20_000));
  expect(Math.abs(variance / expected - 1)).toBeLessThan(5 * Math.sqrt((2 + 1 / expected) / 20_000));
});

it("keeps the streams of one seed apart", () => {
  const words = (stream: number): number[] => {
    const random = new Random(1, stream);
    return Array.from({ length: 8 }, () => random.word());
  };
  expect(words(0)).not.toEqual(words(1));
  expect(words(0)).toEqual(words(0));
  expect(new Random(0).word()).not.toBe(0);
});

it("writes what load reads", async () => {
  const file = join(await temporaryFolder(), "trace.csv");
  const argv = ["trace", "--days", "2", "--step", "10m", "--peak", "30", "--seed", "9"];
  expect(await runCli([...argv, "--output", file])).toMatchObject({ exitCode: 0, stdout: "" });
  const text = await readFile(file, "utf8");
  expect(text).toMatch(/^timestamp,value\n2026-01-05 00:00:00,\d+\n2026-01-05 00:10:00,\d+\n/);
  expect((await runCli(argv)).stdout).toBe(text);
  expect(await summarizeTrace(file)).toEqual({
    firstMs: MONDAY_MS,
    lastMs: MONDAY_MS + 2 * DAY_MS - 10 * MINUTE_MS,
    stepMs: 10 * MINUTE_MS,
    pointCount: 288,
  });
  const points = [...syntheticTrace({ startMs: MONDAY_MS, days: 2, stepMs: 10 * MINUTE_MS, peak: 30, seed: 9 })];
  expect(await collect(readTrace(file))).toEqual(points);
  const json = JSON.parse((await runCli([...argv, "--json"])).stdout) as { points: [string, number][] };
  expect(json.points.map(([at, value]) => ({ atMs: Date.parse(at), value }))).toEqual(points);
});

it.for([
  { argv: ["--days", "0"], says: "Cannot read --days" },
  { argv: ["--days", "3661"], says: "an integer from 1 to 3660" },
  { argv: ["--step", "1500ms"], says: 'Cannot read --step: is "1500ms", expected whole seconds' },
  { argv: ["--days", "3660", "--step", "1s"], says: "it has 316224000 steps, expected at most 10000000" },
  { argv: ["--peak", "-1"], says: "Cannot read --peak" },
  { argv: ["--start", "yesterday"], says: "expected a time such as" },
  { argv: ["--output", "/nowhere/trace.csv"], says: "Cannot write /nowhere/trace.csv: ENOENT, expected a file that can be written" },
])("refuses $argv", async ({ argv, says }) => {
  const { exitCode, stdout, stderr } = await runCli(["trace", ...argv]);
  expect(exitCode).toBeGreaterThan(0);
  expect(stdout).toBe("");
  expect(stderr).toContain(says);
});

it.for([
  { text: "1995-07-01 00:00:00", want: "1995-07-01T00:00:00Z" },
  { text: " 2026-01-05T00:00 ", want: "2026-01-05T00:00:00Z" },
  { text: "2026-01-05T00:00:00.5+02:00", want: "2026-01-04T22:00:00.500Z" },
  { text: "2026-13-05 00:00:00", want: null },
  { text: "2028-02-29 00:00:00", want: "2028-02-29T00:00:00Z" },
  { text: "2026-02-29 00:00:00", want: null },
  { text: "2026-06-31 00:00:00", want: null },
  { text: "1700000000", want: null },
])("reads the time $text as $want", ({ text, want }) => {
  expect(parseTimestampMs(text)).toBe(want === null ? null : Date.parse(want));
});

it.for([
  "2026-01-05 00:00:00",
  "2026-01-05 00:00:00,",
  "2026-01-05 00:00:00,-1",
  "2026-01-05 00:00:00,NaN",
  "2026-01-05 00:00:00,1e999",
  "2026-01-05 00:00:00,1,2",
])("takes %j for no row", (line) => {
  expect(parseTracePoint(line)).toBeNull();
});

it.for([
  { name: "header, blank lines and CRLF", text: "timestamp,value\r\n2026-01-01 00:00:00,94.0\r\n\r\n2026-01-01 00:05:00,56\r\n" },
  { name: "no header and no last newline", text: "2026-01-01 00:00:00,94\n2026-01-01 00:05:00,56" },
])("reads a trace with $name", async ({ text }) => {
  const file = join(await temporaryFolder(), "trace.csv");
  await writeFile(file, text);
  expect((await collect(readTrace(file))).map(({ value }) => value)).toEqual([94, 56]);
});

it("finds the step in spite of gaps", async () => {
  const file = join(await temporaryFolder(), "trace.csv");
  const rows = [0, 1, 2, 50, 51, 52, 200].map((hours) => `${new Date(MONDAY_MS + hours * HOUR_MS).toISOString()},1`);
  await writeFile(file, rows.join("\n"));
  expect(await summarizeTrace(file)).toMatchObject({ stepMs: HOUR_MS, pointCount: 7 });
});

it.for([
  {
    name: "a row that is none",
    text: "timestamp,value\n2026-01-01 00:00:00,1\nyesterday,2\n",
    says: ':3: is "yesterday,2", expected timestamp,value such as 1995-07-01 00:00:00,42',
  },
  {
    name: "time that goes back",
    text: "2026-01-02 00:00:00,1\n2026-01-01 00:00:00,1\n",
    says: ":2: is 2026-01-01T00:00:00.000Z, expected a time after 2026-01-02",
  },
  { name: "a single row", text: "2026-01-02 00:00:00,1\n", says: "it has 1 rows, expected at least two" },
  { name: "a line without end", text: "x".repeat(100_000), says: "it has a line of more than 256 characters" },
])("refuses a trace with $name", async ({ text, says }) => {
  const file = join(await temporaryFolder(), "trace.csv");
  await writeFile(file, text);
  await expect(summarizeTrace(file)).rejects.toThrow(says);
});

it("says which trace is missing", async () => {
  await expect(summarizeTrace("/nowhere.csv")).rejects.toThrow(
    "Cannot read trace /nowhere.csv: ENOENT, expected a file with timestamp,value",
  );
});
