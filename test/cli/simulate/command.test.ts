import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { runCli, temporaryFolder } from "../run-cli.ts";

let trace = "";

beforeAll(async () => {
  const { stdout } = await runCli(["trace", "--days", "4", "--step", "60s", "--peak", "300", "--seed", "3"]);
  trace = stdout;
});

async function traceFile(text = trace): Promise<string> {
  const file = join(await temporaryFolder(), "trace.csv");
  await writeFile(file, text);
  return file;
}

interface Report {
  readonly trace: string;
  readonly delayMs: number;
  readonly shortfall: number;
  readonly policies: readonly { name: string; shortfallSeen: number; timeShort: number; costToOracle: number; operationsPerDay: number }[];
}

async function simulate(...options: string[]): Promise<Report> {
  const { stdout, stderr, exitCode } = await runCli(["simulate", "--trace", await traceFile(), "--json", ...options]);
  // A slow machine hears of its progress.
  expect([stderr.replaceAll(/^simulate: \d+ %, .*\n/gm, ""), exitCode]).toEqual(["", 0]);
  return JSON.parse(stdout) as Report;
}

it("prints what each policy cost and left unserved", async () => {
  const report = await simulate("--delay", "60s", "--shortfall", "1%", "--policy", "tidegate,hpa:0.7,kpa,aws,static,static:30,oracle");
  expect(report).toMatchObject({ trace: "trace.csv", delayMs: 60_000, shortfall: 0.01 });
  expect(report.policies.map(({ name }) => name)).toEqual(["tidegate", "hpa:0.7", "kpa:0.7", "aws:0.7", "static", "static:30", "oracle"]);
  for (const policy of report.policies) {
    expect(Object.keys(policy)).toEqual(["name", "shortfallSeen", "timeShort", "costToOracle", "operationsPerDay"]);
    expect(
      Object.values(policy)
        .slice(1)
        .every((value) => typeof value === "number" && value >= 0),
    ).toBe(true);
  }
  const oracle = report.policies.at(-1);
  expect([oracle?.shortfallSeen, oracle?.timeShort, oracle?.costToOracle]).toEqual([0, 0, 1]);
  const tidegate = report.policies[0];
  expect(tidegate?.shortfallSeen).toBeLessThan(0.0125);
  // Cheaper than either rival's default, which is short less; a policy that had only bought shortfall would be below the oracle.
  expect(tidegate?.costToOracle).toBeLessThan(report.policies[1]?.costToOracle ?? 0);
  expect(tidegate?.costToOracle).toBeGreaterThan(0.9);
});

it("repeats itself with the same seed, and not with another", async () => {
  const options = ["--policy", "tidegate,hpa", "--delay", "5m", "--from", "2026-01-05T12:00:00Z", "--to", "2026-01-06T00:00:00Z"];
  const first = await simulate(...options);
  expect(await simulate(...options)).toEqual(first);
  expect(await simulate(...options, "--seed", "2")).not.toEqual(first);
});

it("costs more the less shortfall is accepted", async () => {
  const costs: number[] = [];
  const window = ["--from", "2026-01-06T00:00:00Z", "--to", "2026-01-07T00:00:00Z"];
  for (const shortfall of ["0.01%", "0.3%", "10%"]) {
    costs.push((await simulate("--policy", "tidegate", "--shortfall", shortfall, ...window)).policies[0]?.costToOracle ?? 0);
  }
  expect(costs).toEqual(costs.toSorted((a, b) => b - a));
});

it("sweeps the rivals from .50 to .98", async () => {
  const { policies } = await simulate("--policy", "oracle,hpa:0.7", "--sweep");
  expect(policies).toHaveLength(2 + 2 * 49 - 1);
  expect(policies.map(({ name }) => name)).toEqual(expect.arrayContaining(["hpa:0.5", "hpa:0.71", "kpa:0.98"]));
  const hpa = policies.filter(({ name }) => name.startsWith("hpa"));
  const cost = (name: string): number => hpa.find((policy) => policy.name === name)?.costToOracle ?? 0;
  expect(cost("hpa:0.5")).toBeGreaterThan(cost("hpa:0.95"));
});

it("shows a terminal which policy runs, and clears it away", async () => {
  const options = ["--trace", await traceFile(), "--policy", "oracle,static,hpa"];
  const { stdout, stderr, exitCode } = await runCli(["simulate", ...options], { isTTY: true });
  expect(exitCode).toBe(0);
  expect(stderr).toContain("0 %  oracle, 1 of 3");
  expect(stderr.endsWith("\r\u001b[K")).toBe(true);
  expect(stdout).toMatch(/^policy /);
});

it("accounts from --from to --to only, and draws straight lines with --load lin", async () => {
  const window = ["--from", "2026-01-06T00:00:00Z", "--to", "2026-01-07T00:00:00Z", "--shard-load", "15", "--policy", "static:40"];
  const [{ policies: day }, { policies: lin }] = [await simulate(...window), await simulate(...window, "--load", "lin")];
  expect(day[0]?.operationsPerDay).toBe(0);
  expect(lin[0]?.costToOracle).toBeGreaterThan(day[0]?.costToOracle ?? Infinity);
});

it("writes a page that needs nothing else", async () => {
  const page = join(await temporaryFolder(), "plot.html");
  await simulate("--policy", "hpa,oracle,static", "--sweep", "--plot", page);
  const html = await readFile(page, "utf8");
  expect(html).toMatch(/^<!doctype html>/);
  expect(html).not.toMatch(/<script|<link|src=|url\(|https?:/);
  expect(html.match(/<polyline/g)?.length).toBe(2 + 3);
  expect(html).not.toMatch(/NaN|Infinity|undefined/);
  // A family's line goes along the axis, wherever in the sweep the setting stands that was asked for.
  const [, line = ""] = /<polyline points="([^"]+)" fill="none" stroke="#c1440e"/.exec(html) ?? [];
  const across = line.split(" ").map((point) => Number(point.split(",")[0]));
  expect(across.length).toBeGreaterThan(10);
  expect(across).toEqual(across.toSorted((a, b) => a - b));
});

it.for([
  { options: ["--policy", "hpa,tidegait"], says: `Cannot read --policy: is "tidegait", expected names out of tidegate, hpa[:TARGET]` },
  { options: ["--policy", "hpa:0"], says: "expected hpa:TARGET with a utilisation above 0, at most 2" },
  { options: ["--policy", "oracle:1"], says: "expected oracle without a setting" },
  { options: ["--policy", "static:0.5"], says: "expected static:SHARDS with 1 to 100000 shards" },
  { options: ["--policy", "hpa:0.7:1"], says: "expected names out of" },
  {
    options: ["--shortfall", "101%"],
    says: `Cannot read --shortfall: is "101%", expected 0% to 100%, such as 0.1%, or a share from 0 to 1`,
  },
  { options: ["--shortfall", "1.5"], says: `Cannot read --shortfall: is "1.5"` },
  { options: ["--shortfall", "-1%"], says: `Cannot read --shortfall: is "-1%"` },
  { options: ["--shortfall", "%"], says: `Cannot read --shortfall: is "%"` },
  { options: ["--policy", "hpa:0.7,oracle,hpa:0.70"], says: "expected every policy once: hpa:0.7 is there twice" },
  { options: ["--delay", "7h"], says: "Cannot read --delay" },
  { options: ["--load", "wavy"], says: "expected one of noise, lin" },
  { options: ["--from", "2025-01-01T00:00:00Z"], says: "Cannot read --from" },
  { options: ["--from", "yesterday"], says: "expected a time such as" },
  { options: ["--to", "2026-01-06T00:00:00Z"], says: "expected a time after the account begins at 2026-01-06T" },
  { options: ["--shard-load", "0.0001"], says: "shards, expected at most 100000; give a larger --shard-load" },
  { options: ["--shard-load", "0"], says: "expected a number above 0, or auto20" },
  {
    options: ["--from", "2026-01-05T00:00:00Z"],
    says: "Cannot choose --shard-load auto20: the 95th percentile of the 0 rows before --from is unknown",
  },
  { options: ["--plot", "/nowhere/plot.html", "--policy", "static"], says: "Cannot write /nowhere/plot.html: ENOENT" },
])("says what is wrong with $options", async ({ options, says }) => {
  const { stdout, stderr, exitCode } = await runCli(["simulate", "--trace", await traceFile(), ...options]);
  expect(stdout).toBe("");
  expect(stderr).toContain(says);
  expect(exitCode).toBeGreaterThan(0);
});

it.for([
  {
    text: "timestamp,value\n1995-07-01 00:00:00,42\n1995-07-01 00:00:00,43\n",
    says: "trace.csv:3: is 1995-07-01T00:00:00.000Z, expected a time after",
  },
  { text: "timestamp,value\n1995-07-01 00:00:00,many\n", says: 'trace.csv:2: is "1995-07-01 00:00:00,many", expected timestamp,value' },
  { text: "timestamp,value\n1995-06-31 00:00:00,1\n", says: 'trace.csv:2: is "1995-06-31 00:00:00,1", expected timestamp,value' },
  {
    text: "timestamp,value\n2000-01-01 00:00:00,1\n2000-01-01 00:00:01,1\n2000-01-01 00:00:03,1\n",
    says: "it is 3s long, expected at least 6s",
  },
  {
    text: "timestamp,value\n2000-01-01 00:00:00,1e300\n2000-01-02 00:00:00,1e300\n2000-01-03 00:00:00,1e300\n",
    says: "its load reaches more than 3e38 shards",
  },
  { text: "timestamp,value\n1995-07-01 00:00:00,1\n", says: "it has 1 rows, expected at least three" },
  { text: "timestamp,value\n1900-01-01 00:00:00,1\n1950-01-01 00:00:00,1\n2000-01-01 00:00:00,1\n", says: "days long, expected at most" },
  {
    text: "timestamp,value\n2000-01-01 00:00:00,0\n2000-01-02 00:00:00,0\n2000-01-03 00:00:00,0\n",
    says: "before --from is 0, expected more than 0",
  },
])("says what is wrong with the trace: $says", async ({ text, says }) => {
  const { stderr, exitCode } = await runCli(["simulate", "--trace", await traceFile(text), "--policy", "oracle"]);
  expect(stderr).toContain(says);
  expect(exitCode).toBe(1);
});
