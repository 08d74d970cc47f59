// Shards ahead of demand, with real processes: a pool that was told two days starts backends before the third day's rise, refuses
// nobody for want of them, replaces one that is killed, and drains others without dropping anything. Demand is told at 60 ×: a minute
// of the day is a second here (docs/decisions/0065-a-day-in-minutes.md).
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecordedProcess } from "#cli/agent/process-record.ts";
import { applyConfiguration } from "#cli/commands/apply.ts";
import { resolveStateKeys } from "#cli/configuration-folder.ts";
import { openState, type State } from "#cli/state.ts";
import { startGatewayProcess, type GatewayProcess } from "#scripts/local/gateway-process.ts";
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";
import { DAY_MS, MINUTE_MS } from "#shared/units.ts";
import { ECHO, KEY, startAgentFor, type AgentProcess } from "#test/cli/agent/agent-process.ts";
import { runCli } from "#test/cli/run-cli.ts";
import { sumOf } from "../support/gateway.ts";

const SPEED = 60;
const HOLD_MS = 200;
/** Of one process. */
const UNIT_SLOTS = 2;
const UNIT_COUNT = 12;
/** Little of a request's time is the machine's: a busy one makes them no more. */
const LOW_SLOTS = 1.2;
const HIGH_SLOTS = 12;
/** Minutes of the day: the rise, what stays, the fall. */
const RISE = { at: 480, rises: 20, stays: 10, falls: 15 };
/** The load begins so many minutes before the rise, and ends so many after it. */
const LEAD_MINUTES = 11;
const TAIL_MINUTES = 4;
/** Long runs see their days themselves: three of them, 72 minutes. */
const isLong = process.env["TIDEGATE_LONG"] === "1";
const DAYS = 3;
/** A minute of the trace when little is wanted. */
const CALM_MINUTE = 100;
const UNSERVED = ["rejected-capacity", "rejected-queue-full", "expired-in-queue", "no-endpoint", "shed"];

let folder: string;
let state: State;
let agent: AgentProcess;
let gateway: GatewayProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidegate-provision-"));
  state = openState(folder);
  const operatorKey = await state.ensureOperatorKey();
  agent = await startAgentFor({
    state: join(folder, "agent"),
    args: ["--slots-max", String(UNIT_SLOTS), "--units-max", String(UNIT_COUNT + 4), "--start-ms", "500"],
    command: [...ECHO, "--delay", String(HOLD_MS)],
  });
  gateway = await startGatewayProcess({
    stateFolder: folder,
    port: 0,
    operatorKey,
    explainKeys: await state.ensureExplainKeys(),
    agentKeys: `${agent.url}=${KEY}`,
    demandSpeed: SPEED,
    onLog: () => {},
  });
  await writeFile(join(folder, "gateway.json"), JSON.stringify({ url: gateway.url }));
  await writeFile(join(folder, "trace.csv"), trace());
  await apply({ countMin: 1, countMax: UNIT_COUNT });
});
afterAll(async () => {
  await Promise.all([gateway.stop(), agent.stop()]);
  await rm(folder, { recursive: true, force: true });
});

function slotsAt(minute: number): number {
  const since = (minute % 1_440) - RISE.at;
  const fallsAt = RISE.rises + RISE.stays;
  if (since < 0 || since >= fallsAt + RISE.falls) return LOW_SLOTS;
  const share = since < RISE.rises ? since / RISE.rises : since < fallsAt ? 1 : 1 - (since - fallsAt) / RISE.falls;
  return LOW_SLOTS + (HIGH_SLOTS - LOW_SLOTS) * share;
}

/** Arrivals a minute that hold so many slots, by Little's law: at 60 × a request holds its slot for 24 s of the day. */
function trace(): string {
  const rows = Array.from({ length: DAYS * 1_440 }, (_, minute) => {
    const at = new Date(Date.UTC(2026, 0, 5) + minute * MINUTE_MS).toISOString().slice(0, 19);
    return `${at.replace("T", " ")},${Math.round((slotsAt(minute) * MINUTE_MS) / (HOLD_MS * SPEED))}`;
  });
  return ["timestamp,value", ...rows].join("\n");
}

async function apply({ countMin, countMax }: { readonly countMin: number; readonly countMax: number }): Promise<void> {
  const endpoint = { url: agent.url, provider: "process", capacity: UNIT_COUNT * UNIT_SLOTS };
  const echo = {
    service: "echo",
    endpoints: [endpoint],
    shards: { sizeMin: 1, sizeMax: UNIT_SLOTS, countMin, countMax },
    provisioning: { mode: "act", warmCount: 1, startMsPrior: 1_500 },
  };
  const documents = [
    { file: "classes.yaml", document: { classes: { gold: { weight: 1 } } } },
    { file: "services/echo.yaml", document: echo },
    { file: "tenants/acme.yaml", document: { tenant: "acme", keys: { state: true }, services: { echo: { gold: {} } } } },
  ];
  const operatorKey = await state.operatorKey();
  const applied = await applyConfiguration({ url: gateway.url, operatorKey, documents: await resolveStateKeys(documents, state) });
  expect(applied).toMatchObject({ ok: true });
}

async function unitsNow(): Promise<readonly CapacityUnit[]> {
  const units = await agent.provider.units("echo");
  return units.ok ? units.value : [];
}

async function readyNow(): Promise<string[]> {
  return (await unitsNow()).filter(({ state: is }) => is === "ready").map(({ unitId }) => unitId);
}

/** Those that run, or are about to. */
async function startedNow(): Promise<number> {
  return (await unitsNow()).filter(({ state: is }) => is === "starting" || is === "ready").length;
}

interface Load {
  readonly sent: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly endpointErrors: number;
}

function load(
  fromMinute: number,
  minutes: number,
  scale = 1,
): { readonly ended: Promise<Load>; readonly isOver: () => boolean; readonly minuteNow: () => number } {
  const startedAtMs = performance.now();
  const args = ["--trace", join(folder, "trace.csv"), "--speed", String(SPEED), "--from", `${fromMinute}m`, "--for", `${minutes}m`];
  let isOver = false;
  const ended = runCli(["load", ...args, "--scale", String(scale), "--sockets-share", "0", "--state", folder, "--json"]).then(
    ({ stdout, stderr }) => {
      isOver = true;
      if (stdout === "") throw new Error(stderr);
      return JSON.parse(stdout) as Load;
    },
  );
  return { ended, isOver: () => isOver, minuteNow: () => fromMinute + ((performance.now() - startedAtMs) * SPEED) / MINUTE_MS };
}

async function fleetMetric(name: string, label: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const metric = `tidegate_fleet_${name}`;
  const lines = text.split("\n").filter((line) => line.startsWith(`${metric}{`) && line.includes(label));
  return sumOf(lines.join("\n"), metric);
}

describe("a pool on a capacity agent", () => {
  it("that was told two days starts processes before the rise, and refuses nobody", async () => {
    const riseMinute = (DAYS - 1) * 1_440 + RISE.at;
    const told = riseMinute - LEAD_MINUTES;
    const options = ["--trace", join(folder, "trace.csv"), "--service", "echo", "--speed", String(SPEED), "--state", folder];
    const history = await runCli(["history", ...options, "--hold", `${HOLD_MS}ms`, "--for", `${told}m`, "--json"]);
    expect(history.exitCode, history.stderr).toBe(0);
    const calm = load(told, LEAD_MINUTES + RISE.rises + TAIL_MINUTES);
    // Nothing has risen yet: one process has enough slots, and one more is kept warm.
    await expect.poll(() => calm.minuteNow(), { timeout: 60_000, interval: 50 }).toBeGreaterThan(riseMinute - 1);
    // Told two days without a rise it has two here; told nothing it is unsure, and has more too.
    await expect.poll(startedNow, { timeout: 10_000, interval: 50 }).toBeGreaterThanOrEqual(4);
    // So early in the rise whoever looks at the load alone has one process more than before it.
    expect(calm.minuteNow()).toBeLessThan(riseMinute + 3);

    const { sent, outcomes, endpointErrors } = await calm.ended;
    // No process was given more than it has slots.
    expect(endpointErrors).toBe(0);
    expect(sent).toBeGreaterThan(500);
    expect(Object.keys(outcomes).filter((outcome) => UNSERVED.includes(outcome))).toEqual([]);
    expect((outcomes["admitted-local"] ?? 0) + (outcomes["admitted-queued"] ?? 0)).toBe(sent);
  }, 180_000);

  it("replaces a process that is killed", async () => {
    await apply({ countMin: UNIT_COUNT, countMax: UNIT_COUNT });
    await expect.poll(async () => (await readyNow()).length, { timeout: 40_000 }).toBe(UNIT_COUNT);
    const calm = load(CALM_MINUTE, 7, 2.5);
    const before = new Set((await unitsNow()).map(({ unitId }) => unitId));
    const recorded = JSON.parse(await readFile(join(folder, "agent/agent-processes.json"), "utf8")) as RecordedProcess[];
    const victim = recorded[0] ?? expect.unreachable();
    await expect.poll(() => calm.minuteNow(), { timeout: 30_000, interval: 50 }).toBeGreaterThan(CALM_MINUTE + 2);
    process.kill(victim.pid, "SIGKILL");
    // Told as failed, stopped, and another in its place.
    const isReplaced = async (): Promise<boolean> =>
      (await readyNow()).some((unitId) => !before.has(unitId)) && !(await unitsNow()).some(({ unitId }) => unitId === victim.unitId);
    await expect.poll(isReplaced, { timeout: 40_000, interval: 100 }).toBe(true);
    const { sent, outcomes } = await calm.ended;
    // What it had, and nothing that came after: whoever meets nobody there is sent elsewhere.
    expect(outcomes["upstream-failed"] ?? 0).toBeLessThanOrEqual(UNIT_SLOTS);
    const served = (outcomes["admitted-local"] ?? 0) + (outcomes["admitted-queued"] ?? 0);
    expect(served + (outcomes["upstream-failed"] ?? 0), JSON.stringify(outcomes)).toBe(sent);
  }, 90_000);

  it("drains what is too much without dropping anything", async () => {
    const serving = async (): Promise<number> =>
      (await fleetMetric("shards", `state="active"`)) + (await fleetMetric("shards", `state="canary"`));
    const drained = async (): Promise<number> => fleetMetric("transitions_total", `to="draining"`);
    // Three slots are wanted, spread over all shards: two have four.
    const calm = load(CALM_MINUTE, 8, 2.5);
    await expect.poll(() => calm.minuteNow(), { timeout: 30_000, interval: 50 }).toBeGreaterThan(CALM_MINUTE + 2);
    const [before, drainedBefore] = [await serving(), await drained()];
    await apply({ countMin: 1, countMax: 2 });
    const { sent, outcomes, endpointErrors } = await calm.ended;
    // No process was given more than it has slots.
    expect(endpointErrors).toBe(0);
    expect(before).toBeGreaterThan(4);
    await expect.poll(serving, { timeout: 60_000 }).toBeLessThanOrEqual(2);
    expect((await drained()) - drainedBefore).toBeGreaterThanOrEqual(before - 2);
    expect((outcomes["admitted-local"] ?? 0) + (outcomes["admitted-queued"] ?? 0)).toBe(sent);
    // And their processes end.
    await expect.poll(async () => (await unitsNow()).length, { timeout: 60_000 }).toBeLessThanOrEqual(2);
  }, 120_000);
});

it.skipIf(!isLong)(
  "TIDEGATE_LONG=1: after a day that it has seen itself, three days of 24 minutes",
  async () => {
    await apply({ countMin: 1, countMax: UNIT_COUNT });
    const first = await load(0, DAY_MS / MINUTE_MS).ended;
    const second = load(1_440, 2 * (DAY_MS / MINUTE_MS));
    const startedBefore: number[] = [];
    for (const riseMinute of [1_440 + RISE.at, 2 * 1_440 + RISE.at]) {
      await expect.poll(() => second.minuteNow(), { timeout: (2 * DAY_MS) / SPEED, interval: 500 }).toBeGreaterThan(riseMinute - 1);
      startedBefore.push(await startedNow());
    }
    const { sent, outcomes } = await second.ended;
    console.log(JSON.stringify({ first, startedBefore, sent, outcomes }));
    expect(startedBefore[1]).toBeGreaterThanOrEqual(4);
    expect(
      Object.keys(outcomes).filter((outcome) => UNSERVED.includes(outcome)),
      JSON.stringify({ first, outcomes }),
    ).toEqual([]);
  },
  4 * (DAY_MS / SPEED),
);
