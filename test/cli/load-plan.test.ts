// What a load is going to do, before any of it happens: when arrivals come, who they are, what they sign with.
import { expect, it } from "vitest";
import { windowOf } from "#cli/load/trace-window.ts";
import { arrivalTimes, orderedUniform } from "#cli/load/arrival-times.ts";
import { Histogram, RELATIVE_ERROR } from "#cli/load/histogram.ts";
import { outcomeOfAnswer } from "#cli/load/load-outcome.ts";
import { describeMix, drawArrival, tenantShares, type Arrival, type Mix } from "#cli/load/mix.ts";
import { Random } from "#cli/load/random.ts";
import { planArrivals } from "#cli/load/run-load.ts";
import { TokenSource } from "#cli/load/token-source.ts";
import type { TracePoint } from "#cli/load/trace-point.ts";
import { openState } from "#cli/state.ts";
import { REFUSALS } from "#shared/errors/outcomes.ts";
import { LIMITS } from "#shared/limits.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "#shared/units.ts";
import { decodeJwt } from "jose";
import { CONFIGURATION } from "./fake-gateway.ts";
import { collect, stream } from "./async-items.ts";
import { temporaryFolder } from "./run-cli.ts";

const STEP_MS = MINUTE_MS;
const POINTS = [3, 0, 5, 2].map((value, index) => ({ atMs: index * STEP_MS, value }));
const WHOLE = { stepMs: STEP_MS, fromMs: 0, untilMs: 4 * STEP_MS, scale: 1 };
const { shares } = tenantShares(CONFIGURATION, ["acme", "umbrella"]);
const MIX: Mix = { tenants: shares, devicesPerTenant: 10, socketsShare: 0.05 };

async function timesOf(options: Partial<typeof WHOLE> & { points?: readonly TracePoint[]; seed?: number } = {}): Promise<number[]> {
  const { points = POINTS, seed = 1, ...more } = options;
  return collect(arrivalTimes({ ...WHOLE, ...more, points: stream(points), random: new Random(seed) }));
}

const countIn = (times: readonly number[], fromMs: number, untilMs: number): number =>
  times.filter((atMs) => atMs >= fromMs && atMs < untilMs).length;

it("puts each step's arrivals into that step, in order", async () => {
  const times = await timesOf();
  expect(POINTS.map(({ atMs }) => countIn(times, atMs, atMs + STEP_MS))).toEqual([3, 0, 5, 2]);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

it("draws the same times from the same seed, and others from another", async () => {
  expect(await timesOf()).toEqual(await timesOf());
  expect(await timesOf({ seed: 2 })).not.toEqual(await timesOf());
});

it("sends nothing into a gap, and crowds nothing past the next row", async () => {
  const times = await timesOf({
    points: [
      { atMs: 0, value: 50 },
      { atMs: STEP_MS / 2, value: 50 },
      { atMs: HOUR_MS, value: 50 },
    ],
    untilMs: DAY_MS,
  });
  expect([countIn(times, 0, STEP_MS / 2), countIn(times, STEP_MS / 2, 1.5 * STEP_MS), countIn(times, HOUR_MS, HOUR_MS + STEP_MS)]).toEqual([
    50, 50, 50,
  ]);
});

it("scales, and loses no fraction on average", async () => {
  expect(await timesOf({ scale: 10 })).toHaveLength(100);
  const thousandths = await timesOf({
    points: Array.from({ length: 10_000 }, (_, index) => ({ atMs: index * STEP_MS, value: 1 })),
    untilMs: Infinity,
    scale: 0.1,
  });
  // A thousand expected; five standard deviations.
  expect(Math.abs(thousandths.length - 1_000)).toBeLessThan(5 * Math.sqrt(900));
});

it("replays the window that was asked for and nothing else", async () => {
  const times = await timesOf({ scale: 1_000, fromMs: 2.5 * STEP_MS, untilMs: 3.5 * STEP_MS });
  expect(Math.min(...times)).toBeGreaterThanOrEqual(2.5 * STEP_MS);
  expect(Math.max(...times)).toBeLessThan(3.5 * STEP_MS);
  // Half of 5,000 and half of 2,000, give or take five standard deviations.
  expect(Math.abs(times.length - 3_500)).toBeLessThan(5 * Math.sqrt(5_000 / 4 + 2_000 / 4));
});

it("spreads a step's arrivals evenly, and draws a million of them one by one", () => {
  const bins = Array.from({ length: 10 }, () => 0);
  let count = 0;
  let lastMs = 0;
  for (const atMs of orderedUniform({ startMs: 0, endMs: 10, count: 1_000_000, random: new Random(3) })) {
    if (atMs < lastMs) throw new Error(`${atMs} came after ${lastMs}`);
    lastMs = atMs;
    count++;
    const bin = Math.floor(atMs);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  expect(count).toBe(1_000_000);
  // Five standard deviations of a binomial with p = 0.1.
  for (const bin of bins) expect(Math.abs(bin - 100_000)).toBeLessThan(5 * Math.sqrt(90_000));
});

it("takes from the configuration who may reach what, and says whose keys are missing", () => {
  const { shares: some, missing } = tenantShares({ ...CONFIGURATION, tenants: { ...CONFIGURATION.tenants, idle: { services: {} } } }, [
    "acme",
  ]);
  expect(missing).toEqual(["umbrella"]);
  expect(some).toEqual([
    {
      tenant: "acme",
      services: [
        { service: "echo", classes: ["gold", "silver", "bronze"] },
        { service: "telemetry", classes: ["silver"] },
      ],
    },
  ]);
});

it("draws the stated mix", () => {
  const random = new Random(5);
  const draws = Array.from({ length: 40_000 }, () => drawArrival(MIX, random));
  const shareOf = (condition: (arrival: Arrival) => boolean, among: (arrival: Arrival) => boolean = () => true): number => {
    const chosen = draws.filter(among);
    return chosen.filter(condition).length / chosen.length;
  };
  const acmeEcho = ({ tenant, service }: Arrival): boolean => tenant === "acme" && service === "echo";
  const http = ({ way }: Arrival): boolean => way !== "socket";
  for (const [got, want] of [
    [shareOf(({ tenant }) => tenant === "acme"), 1 / 2],
    [
      shareOf(
        ({ service }) => service === "echo",
        ({ tenant }) => tenant === "acme",
      ),
      1 / 2,
    ],
    [shareOf(({ className }) => className === "gold", acmeEcho), 1 / 7],
    [shareOf(({ className }) => className === "bronze", acmeEcho), 4 / 7],
    [shareOf(({ urgency }) => urgency === 3), 0.7],
    [shareOf(({ urgency }) => urgency === 1), 0.15],
    [shareOf(({ way }) => way === "socket"), 0.05],
    [shareOf(({ way }) => way === "GET", http), 0.8],
    [shareOf(({ device }) => device === "d-10"), 0.1],
  ] as const) {
    expect(Math.abs(got - want)).toBeLessThan(0.02);
  }
  expect(describeMix(MIX)).toMatchObject({
    tenants: { umbrella: { echo: ["bronze"] } },
    urgencies: { 1: 0.15, 3: 0.7, 5: 0.15 },
    methods: { GET: 0.8, POST: 0.2 },
    socketsShare: 0.05,
  });
});

it("plans the same arrivals from the same seed", async () => {
  const plan = (seed: number) => collect(planArrivals({ ...WHOLE, points: stream(POINTS), speed: 60, mix: MIX, seed }));
  const arrivals = await plan(1);
  expect(await plan(1)).toEqual(arrivals);
  expect(await plan(2)).not.toEqual(arrivals);
  expect(arrivals.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // Four minutes at sixtyfold speed are four seconds.
  expect(Math.max(...arrivals.map(({ dueMs }) => dueMs))).toBeLessThan(4_000);
});

it.for([
  { from: undefined, length: undefined, want: [0, 10] },
  { from: "2d", length: "36h", want: [2, 3.5] },
  { from: "1970-01-09 00:00:00", length: "7d", want: [8, 10] },
])("finds the window from $from for $length", ({ from, length, want }) => {
  const trace = { firstMs: 0, lastMs: 9.5 * DAY_MS, stepMs: DAY_MS / 2, pointCount: 20 };
  const { fromMs, untilMs } = windowOf(trace, { from, for: length });
  expect([fromMs / DAY_MS, untilMs / DAY_MS]).toEqual(want);
});

it.for(["10d", "1969-12-31 00:00:00", "soon"])("refuses to begin at %s", (from) => {
  const trace = { firstMs: 0, lastMs: 9.5 * DAY_MS, stepMs: DAY_MS / 2, pointCount: 20 };
  expect(() => windowOf(trace, { from, for: undefined })).toThrow(/^Cannot read --from: is .+, expected a time/);
});

it("signs once per device and class, for all of the tenant's services with it, and again before it expires", async () => {
  const keys = new Map([["acme", await openState(await temporaryFolder()).ensureTenantKeys("acme")]]);
  const tokens = new TokenSource({ keys, tenants: shares, audience: "edge" });
  const caller = { tenant: "acme", device: "d-1", service: "echo", className: "silver" };
  const nowMs = Date.now();
  const token = await tokens.tokenFor(caller, nowMs);
  expect(decodeJwt(token)).toMatchObject({ iss: "acme", sub: "d-1", aud: "edge", cls: "silver", svc: ["echo", "telemetry"] });
  expect(await tokens.tokenFor({ ...caller, service: "telemetry" }, nowMs + MINUTE_MS)).toBe(token);
  expect(await tokens.tokenFor({ ...caller, className: "gold" }, nowMs)).not.toBe(token);
  expect(await tokens.tokenFor(caller, nowMs + 50 * MINUTE_MS)).not.toBe(token);
  expect(tokens.size).toBe(2);
});

it("names no more services in a token than one may hold, the caller's always among them", async () => {
  const keys = new Map([["acme", await openState(await temporaryFolder()).ensureTenantKeys("acme")]]);
  const services = Array.from({ length: 150 }, (_, index) => ({ service: `s-${index}`, classes: ["gold"] }));
  const tokens = new TokenSource({ keys, tenants: [{ tenant: "acme", services }], audience: "edge" });
  for (const { service } of services) {
    const { svc } = decodeJwt<{ svc: string[] }>(
      await tokens.tokenFor({ tenant: "acme", device: "d-1", service, className: "gold" }, Date.now()),
    );
    expect(svc.length).toBeLessThanOrEqual(LIMITS.tokenServiceCountMax);
    expect(svc).toContain(service);
  }
  expect(tokens.size).toBe(3);
});

it.for([0.5, 0.95, 0.99])("quantile %f is within its stated error of the exact one", (ratio) => {
  const random = new Random(11);
  const histogram = new Histogram();
  // Five decades, as latencies have.
  const exact = Array.from({ length: 50_000 }, () => 10 ** (5 * random.uniform() - 1)).toSorted((a, b) => a - b);
  for (const value of exact) histogram.record(value);
  const want = exact[Math.ceil(ratio * exact.length) - 1] ?? NaN;
  expect(Math.abs((histogram.quantile(ratio) ?? NaN) / want - 1)).toBeLessThanOrEqual(RELATIVE_ERROR);
});

it("knows the quantiles of nothing, of one, and of what is out of range", () => {
  const histogram = new Histogram();
  expect(histogram.quantiles()).toEqual({ p50: null, p95: null, p99: null });
  histogram.record(0);
  expect(histogram.quantile(0.5)).toBe(0);
  histogram.record(1e12);
  expect(histogram.quantile(1)).toBeGreaterThan(3_500_000);
  expect(histogram.count).toBe(2);
});

const problem = (type: string): { contentType: string; serverTiming: string; body: string } => ({
  contentType: "application/problem+json; charset=utf-8",
  serverTiming: "",
  body: JSON.stringify({ type }),
});

it.for([
  ...Object.keys(REFUSALS).map((outcome) => ({ answer: problem(`https://tidegate.dev/problems/${outcome}`), want: outcome })),
  { answer: problem("https://endpoint.example/problems/out-of-coffee"), want: "admitted-local" },
  { answer: { ...problem(""), body: "not JSON" }, want: "admitted-local" },
  { answer: { contentType: "text/plain", serverTiming: "", body: "" }, want: "admitted-local" },
  {
    answer: { contentType: "", serverTiming: 'verify;dur=1, queue;dur=12.8;desc="gold", upstream;dur=3', body: "" },
    want: "admitted-queued",
  },
  { answer: { contentType: "", serverTiming: "queue", body: "" }, want: "admitted-queued" },
  { answer: { contentType: "", serverTiming: 'upstream;desc="a, queue, b", queued;dur=1', body: "" }, want: "admitted-local" },
])("takes $answer.body $answer.serverTiming for $want", ({ answer, want }) => {
  expect(outcomeOfAnswer(answer)).toBe(want);
});
