import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runCli, temporaryFolder, type CliRun } from "./run-cli.ts";
import { LearnedChoice } from "#shared/forecast/learned-model.ts";
import { kernelForecaster, LEARNED } from "#test/wasm/forecast/forecasters.ts";

const HEADER = "series,step,mean,lower,upper";

interface Row {
  readonly series: string;
  readonly step: number;
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

/** A day of 24 hours and a quieter weekend. */
function hourly(count: number, level = 100): number[] {
  return Array.from({ length: count }, (_, hour) => {
    const weekend = Math.floor(hour / 24) % 7 >= 5 ? 0.6 : 1;
    return Math.round(level * weekend * (1 + 0.6 * Math.sin((2 * Math.PI * hour) / 24)) + ((hour * 7_919) % 13));
  });
}

async function forecastOf(text: string, argv: readonly string[] = [], name = "demand.csv"): Promise<CliRun> {
  const file = join(await temporaryFolder(), name);
  await writeFile(file, text);
  return runCli(["forecast", "--input", file, ...(argv.includes("--horizon") ? [] : ["--horizon", "48"]), ...argv]);
}

function rowsOf(csv: string): Row[] {
  const [header, ...lines] = csv.trimEnd().split("\n");
  expect(header).toBe(HEADER);
  return lines.map((line) => {
    const [series = "", step, mean, lower, upper] = line.split(",");
    return { series, step: Number(step), mean: Number(mean), lower: Number(lower), upper: Number(upper) };
  });
}

it.for([
  { variant: "prior-free", make: () => kernelForecaster(), options: { choice: 0 } },
  { variant: "learned", make: () => kernelForecaster(LEARNED), options: { choice: LearnedChoice.learned } },
  { variant: "auto", make: () => kernelForecaster(LEARNED), options: {} },
])("forecasts a wide file, $variant: every series, every step, by the kernel that the gateway runs", async ({ variant, make, options }) => {
  const [a, b] = [hourly(700), hourly(720, 1_000)];
  const { exitCode, stdout } = await forecastOf(`H1,${a.join()}\nH2,${b.join()}\n`, ["--period", "24,168", "--variant", variant]);
  expect(exitCode).toBe(0);
  const rows = rowsOf(stdout);
  expect(rows.map(({ series, step }) => `${series}:${step}`)).toEqual(
    ["H1", "H2"].flatMap((id) => Array.from({ length: 48 }, (_, index) => `${id}:${index + 1}`)),
  );
  const forecaster = make();
  for (const value of b) forecaster.observe(value);
  const { mean, lower, upper } = forecaster.forecast(48, options);
  for (const [step, row] of rows.filter(({ series }) => series === "H2").entries()) {
    for (const [got, want] of [
      [row.mean, mean[step]],
      [row.lower, lower[step]],
      [row.upper, upper[step]],
    ])
      expect(got).toBeCloseTo(want ?? NaN, 5);
  }
});

it("weighs what was learned only where it fits", async () => {
  const said = async (count: number, argv: readonly string[]): Promise<string> =>
    (await forecastOf(`A,${hourly(count).join()}\n`, ["--period", "24,168", ...argv])).stdout;
  expect(await said(700, [])).not.toBe(await said(700, ["--variant", "prior-free"]));
  expect(await said(700, [])).not.toBe(await said(700, ["--variant", "learned"]));
  // Before two weeks are there, nothing but the day before has been said of anything.
  expect(await said(300, ["--variant", "learned"])).not.toBe(await said(300, []));
});

it("finds the day and the week by itself, and says the same as when told", async () => {
  const text = `H1,${hourly(700).join()}\nH2,${hourly(720, 1_000).join()}\n`;
  expect((await forecastOf(text)).stdout).toBe((await forecastOf(text, ["--period", "24,168"])).stdout);
  expect((await forecastOf(text)).stdout).not.toBe((await forecastOf(text, ["--period", "1"])).stdout);
});

it("takes a header, quotes, blanks, trailing empty cells and values that are missing", async () => {
  const values = hourly(400);
  const plain = `H1,${values.map((value, hour) => (hour === 50 ? "" : value)).join()}\n`;
  const quoted = values.map((value, hour) => (hour === 50 ? "NA" : `" ${value} "`)).join(", ");
  const dressed = `"id",${values.map((_, hour) => `"V${hour + 1}"`).join()}\r\n\r\n"H1",${quoted},,"",\r\n`;
  const { exitCode, stdout } = await forecastOf(dressed);
  expect(exitCode).toBe(0);
  expect(stdout).toBe((await forecastOf(plain)).stdout);
  expect(stdout).not.toBe((await forecastOf(`H1,${values.join()}\n`)).stdout);
});

it("takes a long file: its series has the file's name, and a row that is not there is a value that is missing", async () => {
  const rows = hourly(400).map((value, hour) => `${new Date(Date.UTC(2026, 0, 5, hour)).toISOString()},${value}`);
  const whole = await forecastOf(["timestamp,value", ...rows].join("\n"), [], "taxi.csv");
  expect(rowsOf(whole.stdout).every(({ series }) => series === "taxi")).toBe(true);
  const gap = await forecastOf(rows.toSpliced(50, 1).join("\n"));
  const wide = await forecastOf(`demand,${hourly(400).with(50, NaN).join()}\n`);
  expect(gap.stdout).toBe(wide.stdout);
});

it("names a series as it stands, quoted where it must be", async () => {
  const { stdout } = await forecastOf(`"Paris, ""north""",${hourly(30).join()}\n`);
  expect(stdout.split("\n")[1]).toMatch(/^"Paris, ""north""",1,/);
});

it.for([
  { name: "hours, day and week", count: 900, periods: [24, 168], value: (step: number) => hourly(step + 1)[step] ?? 0 },
  { name: "days", count: 200, periods: [7], value: (step: number) => 100 + 40 * Math.max(0, Math.sin((2 * Math.PI * step) / 7)) },
  { name: "months", count: 96, periods: [12], value: (step: number) => 50 + step + 20 * Math.sin((2 * Math.PI * step) / 12) },
  { name: "half hours", count: 2_000, periods: [48, 336], value: (step: number) => hourly(1_100)[step >> 1] ?? 0 },
  { name: "weeks", count: 260, periods: [52], value: (step: number) => 500 + 200 * Math.cos((2 * Math.PI * step) / 52) },
  { name: "nothing", count: 300, periods: [], value: (step: number) => 100 + ((step * step * 7_919) % 101) },
])("finds the seasons of $name, and follows them", async ({ count, periods, value }) => {
  const { stdout } = await forecastOf(`A,${Array.from({ length: count }, (_, step) => value(step)).join()}\n`, ["--json"]);
  const { series } = JSON.parse(stdout) as { series: { periods: number[]; mean: number[] }[] };
  expect(series[0]?.periods).toEqual(periods);
  if (periods.length === 0) return;
  const truth = Array.from({ length: 48 }, (_, step) => value(count + step));
  const error = truth.reduce((sum, actual, step) => sum + Math.abs(actual - (series[0]?.mean[step] ?? NaN)), 0);
  expect(error / truth.reduce((sum, actual) => sum + actual, 0)).toBeLessThan(0.12);
});

it("forecasts two days of five-minute steps in slots of an hour, and gives every step its own shape back", async () => {
  const value = (step: number): number => (hourly(2_000)[Math.floor(step / 12)] ?? 0) * (step % 12 < 3 ? 2 : 1);
  const text = `A,${Array.from({ length: 6_000 }, (_, step) => value(step)).join()}\n`;
  const { exitCode, stdout } = await forecastOf(text, ["--period", "288,2016"]);
  expect(exitCode).toBe(0);
  const rows = rowsOf(stdout);
  const error = rows.reduce((sum, { step, mean }) => sum + Math.abs(mean - value(5_999 + step)), 0);
  expect(error / rows.reduce((sum, { step }) => sum + value(5_999 + step), 0)).toBeLessThan(0.15);
});

it("goes on from its own forecast beyond a week: its first week is the same, its third still has the seasons", async () => {
  const text = `A,${hourly(1_000).join()}\n`;
  const forecast = async (horizon: string): Promise<Row[]> =>
    rowsOf((await forecastOf(text, ["--period", "24,168", "--horizon", horizon])).stdout);
  const [week, weeks] = [await forecast("168"), await forecast("504")];
  expect(weeks.slice(0, 168)).toEqual(week);
  expect(weeks).toHaveLength(504);
  const truth = hourly(1_504).slice(1_000 + 336);
  const error = weeks.slice(336).reduce((sum, { mean }, step) => sum + Math.abs(mean - (truth[step] ?? NaN)), 0);
  expect(error / truth.reduce((sum, value) => sum + value, 0)).toBeLessThan(0.12);
  for (const { lower, mean, upper } of weeks) expect(0 <= lower && lower <= mean && mean <= upper && upper < Infinity).toBe(true);
});

it("has wider intervals at a higher level, and the mean inside", async () => {
  const text = `A,${hourly(700).join()}\n`;
  const [narrow, usual, wide] = await Promise.all(
    ["50", "95", "99.9"].map(async (level) => rowsOf((await forecastOf(text, ["--level", level])).stdout)),
  );
  for (const [index, row] of (usual ?? []).entries()) {
    const [inner, outer] = [narrow?.[index], wide?.[index]];
    expect(row.mean).toBe(inner?.mean);
    expect(row.upper).toBeGreaterThan(inner?.upper ?? NaN);
    expect(row.upper).toBeLessThan(outer?.upper ?? NaN);
    expect(row.lower).toBeLessThanOrEqual(row.mean);
    expect(row.lower).toBeLessThan(inner?.lower ?? NaN);
  }
});

it("writes to a file and says on stderr what it did; stdout stays empty", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "out.csv");
  const { exitCode, stdout, stderr } = await forecastOf(`A,${hourly(400).join()}\n`, ["--output", file]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
  expect(stderr).toMatch(/^1 series, 48 steps each, found seasons of 24 and 168 steps, in \d/);
  expect(rowsOf(await readFile(file, "utf8"))).toHaveLength(48);
});

it("draws a page that needs nothing from outside, and that no name of a series breaks out of", async () => {
  const file = join(await temporaryFolder(), "plot.html");
  const name = "</script><script>alert(1)</script>";
  const { exitCode } = await forecastOf(`${name},${hourly(400).join()}\n`, ["--plot", file]);
  expect(exitCode).toBe(0);
  const page = await readFile(file, "utf8");
  expect(page).not.toContain(name);
  expect(page).not.toMatch(/https?:|src=|@import|url\(/);
  const data = /<script id="data" type="application\/json">(.*?)<\/script>/s.exec(page)?.[1] ?? "";
  const { level, series } = JSON.parse(data) as { level: number; series: { id: string; mean: number[]; history: number[] }[] };
  expect([level, series[0]?.id, series[0]?.mean.length]).toEqual([95, name, 48]);
  expect(series[0]?.history.at(-1)).toBe(hourly(400).at(-1));
});

it.for([
  { name: "a series of one value", text: "A,5\n" },
  { name: "a series of nothing known", text: "A,NA,NA,NA\n" },
  { name: "zeros", text: `A,${Array.from({ length: 500 }, () => 0).join()}\n` },
  { name: "a constant", text: `A,${Array.from({ length: 500 }, () => 7).join()}\n` },
  { name: "one spike of 1e15", text: `A,${hourly(500).with(300, 1e15).join()}\n` },
])("answers soundly to $name", async ({ text }) => {
  for (const period of ["1", "7", "24,168", "288,2016"]) {
    const { exitCode, stdout } = await forecastOf(text, ["--period", period]);
    expect(exitCode).toBe(0);
    for (const { lower, mean, upper } of rowsOf(stdout))
      expect(0 <= lower && lower <= mean && mean <= upper && upper < Infinity).toBe(true);
  }
});

it.for([
  { name: "a word among the values", text: "A,1,2,three,4\n", says: ':1:7: is "three", expected a number from 0 to 1000000000000000' },
  { name: "a negative value", text: "id,V1\nA,1\nB,-3\n", says: ':3:3: is "-3", expected a number from 0' },
  { name: "a hexadecimal value", text: "A,1\nB,0x10\n", says: ':2:3: is "0x10"' },
  { name: "an infinite value", text: "A,1,1e999\n", says: ':1:5: is "1e999"' },
  { name: "a series without values", text: "A,1\nB,,,\n", says: ":2:2: is no value, expected at least one" },
  { name: "a series without a name", text: "A,1\n,5\n", says: ":2:1: is empty, expected the name of a series" },
  { name: "a name twice", text: "A,1\nB,2\nA,3\n", says: ':3:1: is "A" again, expected a name that no row before has' },
  { name: "an open quote", text: 'A,1\nB,"2\n', says: ":2:1: is a cell with an open quote" },
  { name: "a value too many", text: `A${",1".repeat(1_000_001)}\n`, says: ":1:2000003: is value 1000001, expected at most 1000000" },
  { name: "nothing", text: "\n", says: "it has no rows, expected a file with rows id,v1,v2" },
  { name: "a header alone", text: "timestamp,value\n", says: "it has no rows" },
  {
    name: "time that stands still",
    text: "2026-01-01 00:00,1\n2026-01-01 00:00,2\n",
    says: ":2:1: is 2026-01-01T00:00:00.000Z, expected a time after",
  },
  { name: "a time that is none", text: "2026-01-01 00:00,1\nyesterday,2\n", says: ':2:1: is "yesterday", expected a time such as' },
  { name: "a third cell in a long file", text: "2026-01-01 00:00,1\n2026-01-01 01:00,2,3\n", says: ":2:20: is 3 cells, expected two" },
])("says where a file has $name", async ({ text, says }) => {
  const { exitCode, stdout, stderr } = await forecastOf(text);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(says);
  expect(stderr).toContain("Cannot read series");
});

it.for([
  { argv: ["--horizon", "0"], says: "Cannot read --horizon" },
  { argv: ["--period", "24,24"], says: 'Cannot read --period: is "24,24", expected one period or two ascending' },
  { argv: ["--period", "24,168,8760"], says: "expected one period or two ascending" },
  { argv: ["--period", "7,365"], says: "expected periods that a common divisor brings to at most 24 and 168" },
  { argv: ["--period", "a"], says: "Cannot read --period" },
  { argv: ["--level", "49"], says: "a number from 50 to 99.9" },
  { argv: ["--level", "100"], says: "a number from 50 to 99.9" },
  { argv: ["--variant", "best"], says: "expected one of auto, learned, prior-free" },
  {
    argv: ["--variant", "learned", "--period", "7"],
    says: "expected auto or prior-free with seasons of 7 steps: what was learned is for a day of 24",
  },
  { argv: ["--input", "/nowhere.csv"], says: "Cannot read series /nowhere.csv: ENOENT, expected a file with rows" },
  { argv: ["--output", "/nowhere/out.csv"], says: "Cannot write /nowhere/out.csv: ENOENT" },
  { argv: ["--plot", "/nowhere/out.html"], says: "Cannot write /nowhere/out.html: ENOENT" },
  { argv: ["--horizon", "10001"], says: 'is "10001", expected an integer from 1 to 10000' },
])("refuses $argv", async ({ argv, says }) => {
  const file = join(await temporaryFolder(), "demand.csv");
  await writeFile(file, `A,${hourly(30).join()}\n`);
  const defaults = { "--input": file, "--horizon": "5" };
  const others = Object.entries(defaults).filter(([name]) => !argv.includes(name));
  const { exitCode, stdout, stderr } = await runCli(["forecast", ...others.flat(), ...argv]);
  expect(exitCode).toBeGreaterThan(0);
  expect(stdout).toBe("");
  expect(stderr).toContain(says);
});
