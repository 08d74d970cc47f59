// The agent with real processes: they start, answer, crash, hang, drain, end, and never outlive it.
import { once } from "node:events";
import { readFile, stat, writeFile, chmod } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { startTicksOf, type RecordedProcess } from "#cli/agent/process-record.ts";
import { runCli, temporaryFolder } from "../run-cli.ts";
import { KEY, startAgent, type AgentProcess } from "./agent-process.ts";

const ORDER = { offerId: "process", service: "echo", slots: 20, pricePerHourMax: 1 };
/** The machine may be busy with other tests. */
const SOON = { timeout: 25_000, interval: 50 };

/** Serves, and does not care who its parent is. */
const INDIFFERENT = [
  process.execPath,
  "-e",
  `require("node:http").createServer((q, r) => r.end("ok")).listen(Number(process.argv[1]), "127.0.0.1")`,
  "{port}",
];

async function startUnit(agent: AgentProcess, unitId: string): Promise<void> {
  expect(await agent.provider.reserve({ ...ORDER, unitId })).toMatchObject({ ok: true });
  expect(await agent.provider.start(unitId)).toMatchObject({ ok: true, value: { state: "starting", url: null } });
}

async function readyUnit(agent: AgentProcess, unitId: string): Promise<string> {
  await startUnit(agent, unitId);
  await vi.waitFor(async () => expect((await agent.unit(unitId))?.state).toBe("ready"), SOON);
  return (await agent.unit(unitId))?.url ?? "";
}

async function processesOf(state: string): Promise<readonly RecordedProcess[]> {
  return JSON.parse(await readFile(join(state, "agent-processes.json"), "utf8")) as RecordedProcess[];
}

/** Waits until none of them runs. A zombie has ended: here nobody may be there to reap it. */
async function expectEnded(processes: readonly RecordedProcess[]): Promise<void> {
  expect(processes.length).toBeGreaterThan(0);
  const running = async (): Promise<number[]> => {
    const states = await Promise.all(processes.map(({ pid }) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")));
    return processes
      .filter(({ pid, startTicks }, index) => startTicksOf(pid) === startTicks && !/\) Z /.test(states[index] ?? ""))
      .map(({ pid }) => pid);
  };
  await vi.waitFor(async () => expect(await running()).toEqual([]), SOON);
}

describe("a unit", () => {
  it("starts, answers at its own port, lets what runs end while it drains, and is gone when it is stopped", async () => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state, args: ["--price", "0.25", "--region", "weur", "--units-max", "2"] });
    expect(await agent.provider.offers()).toEqual({
      ok: true,
      value: [{ offerId: "process", region: "weur", slotsMax: 50, pricePerHour: 0.25, availableCount: 2 }],
    });
    const [url, other] = [await readyUnit(agent, "echo-1"), await readyUnit(agent, "echo-2")];
    expect(new URL(url).hostname).toBe("127.0.0.1");
    expect(other).not.toBe(url);
    const running = fetch(`${url}/slow?delayMs=1500`);
    expect(await agent.provider.drain("echo-1")).toMatchObject({ value: { state: "draining", url } });
    expect((await running).status).toBe(200);
    const processes = await processesOf(state);
    expect(processes).toHaveLength(2);
    expect(await agent.provider.stop("echo-1")).toEqual({ ok: true, value: null });
    await expectEnded(processes.filter(({ unitId }) => unitId === "echo-1"));
    expect((await fetch(other)).status).toBe(200);
    await expect.poll(async () => agent.provider.offers(), SOON).toMatchObject({ value: [{ availableCount: 1 }] });
  });

  it("that crashes is told as failed, with its signal, and its name is not started again", async () => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state });
    await readyUnit(agent, "echo-1");
    for (const { pid } of await processesOf(state)) process.kill(pid, "SIGKILL");
    await expect.poll(async () => agent.unit("echo-1"), SOON).toMatchObject({ state: "failed", failure: "the process ended by SIGKILL" });
    expect(await agent.provider.start("echo-1")).toMatchObject({ value: { state: "failed" } });
    expect(await processesOf(state)).toEqual([]);
    // In its place another.
    await agent.provider.stop("echo-1");
    await readyUnit(agent, "echo-2");
  });

  it.for([
    {
      name: "ends at once",
      command: [process.execPath, "-e", "process.exit(3)"],
      readyTimeout: "30s",
      failure: "the process ended with exit code 3",
    },
    {
      name: "is no program",
      command: ["/nonexistent/server"],
      readyTimeout: "30s",
      failure: /^the process cannot be started: spawn \/nonexistent\/server ENOENT/,
    },
    {
      name: "never answers",
      command: [process.execPath, "-e", "setInterval(() => {}, 1000)"],
      readyTimeout: "500ms",
      failure: "gave no 2xx at /__stats within 500 ms",
    },
  ])("whose command $name fails, and says why", async ({ command, readyTimeout, failure }) => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state, command, args: ["--ready-timeout", readyTimeout] });
    await startUnit(agent, "echo-1");
    await expect.poll(async () => (await agent.unit("echo-1"))?.failure, SOON).toMatch(failure);
    await expect.poll(async () => (await processesOf(state)).length, SOON).toBe(0);
  });

  it("ends with everything that it started itself, also where none of it heeds SIGTERM", async () => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state, command: ["sh", "-c", `trap "" TERM; "$@" & wait`, "sh", ...INDIFFERENT] });
    const url = await readyUnit(agent, "echo-1");
    await agent.provider.stop("echo-1");
    await expect
      .poll(
        async () =>
          fetch(url).then(
            () => "answers",
            () => "gone",
          ),
        SOON,
      )
      .toBe("gone");
  });
});

// Each waits for a timer of an agent of its own: they wait together.
describe("a unit in time", { concurrent: true }, () => {
  it("that nobody asks for any more is stopped, but not while somebody is connected to it", async (context) => {
    const { expect: expectHere } = context;
    const state = await temporaryFolder(context);
    const agent = await startAgent({ state, args: ["--owner-timeout", "3s"] }, context);
    const url = await readyUnit(agent, "echo-1");
    await readyUnit(agent, "echo-2");
    const connection = connect({ host: "127.0.0.1", port: Number(new URL(url).port) });
    await once(connection, "connect");
    const running = async (): Promise<string[]> => (await processesOf(state)).map(({ unitId }) => unitId);
    await expectHere.poll(running, SOON).toEqual(["echo-1"]);
    expectHere(agent.log()).toMatch(/echo-2 stopped: echo has not asked for its units for \d+ s, and nobody is connected to it/);
    expectHere(agent.log()).not.toContain("echo-1 stopped");
    connection.destroy();
    await expectHere.poll(running, SOON).toEqual([]);
  });

  it("that hangs has failed, and is killed", async (context) => {
    const { expect: expectHere } = context;
    const state = await temporaryFolder(context);
    const agent = await startAgent({ state, command: INDIFFERENT, args: ["--silence-timeout", "3s"] }, context);
    await readyUnit(agent, "echo-1");
    const processes = await processesOf(state);
    for (const { pid } of processes) process.kill(pid, "SIGSTOP");
    await expectHere.poll(async () => (await agent.unit("echo-1"))?.failure, SOON).toBe("has not answered at /__stats for 3000 ms");
    await expectEnded(processes);
  });

  it("with --start-ms is ready that much later; one that is stopped meanwhile never runs", async (context) => {
    const { expect: expectHere } = context;
    const state = await temporaryFolder(context);
    const agent = await startAgent({ state, args: ["--start-ms", "1500"] }, context);
    const beganAtMs = performance.now();
    await startUnit(agent, "echo-1");
    await startUnit(agent, "echo-2");
    await agent.provider.stop("echo-2");
    await expectHere.poll(async () => (await agent.unit("echo-1"))?.state, SOON).toBe("ready");
    expectHere(performance.now() - beganAtMs).toBeGreaterThan(1_500);
    expectHere((await processesOf(state)).map(({ unitId }) => unitId)).toEqual(["echo-1"]);
  });
});

describe("nothing outlives the agent", () => {
  it.for(["SIGTERM", "SIGKILL"] as const)("ended by %s", async (signal) => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state });
    await readyUnit(agent, "echo-1");
    await readyUnit(agent, "echo-2");
    const processes = await processesOf(state);
    agent.child.kill(signal);
    await once(agent.child, "exit");
    await expectEnded(processes);
  });

  it("whose warden was killed: its units are told as failed, and the next ones run", async () => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state, command: INDIFFERENT });
    await readyUnit(agent, "echo-1");
    const processes = await processesOf(state);
    process.kill(await wardenOf(processes), "SIGKILL");
    await expectEnded(processes);
    expect(await agent.unit("echo-1")).toMatchObject({ state: "failed", failure: "the process ended with the warden that held it" });
    await readyUnit(agent, "echo-2");
  });

  it("that was killed together with its warden: the next agent on that folder ends what was left, and nothing else", async () => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state, command: INDIFFERENT });
    const url = await readyUnit(agent, "echo-1");
    const processes = await processesOf(state);
    const wardenPid = await wardenOf(processes);
    // Stopped first, so that it cannot end its processes when the agent is gone.
    process.kill(wardenPid, "SIGSTOP");
    agent.child.kill("SIGKILL");
    await once(agent.child, "exit");
    process.kill(wardenPid, "SIGKILL");
    expect((await fetch(url)).status).toBe(200);
    // A process that has the pid of a recorded one by chance: this test's own, started at another time.
    await writeFile(join(state, "agent-processes.json"), JSON.stringify([...processes, { unitId: "x", pid: process.pid, startTicks: 1 }]));
    const next = await startAgent({ state, command: INDIFFERENT });
    expect(next.log()).toContain("ended echo-1, which an earlier agent had left");
    expect(next.log()).not.toContain("ended x");
    await expectEnded(processes);
  });

  it("beside it no second one has its folder", async () => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state });
    const second = await runCli(["agent", "--port", "0", "--state", state, "--", "true"], { environment: { TIDEGATE_AGENT_KEY: KEY } });
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toBe(
      `Cannot start an agent in ${state}: process ${agent.child.pid} is one already, expected another folder (--state)\n`,
    );
  });
});

describe("the key", () => {
  it("is in no process's environment or arguments, and in no log", async () => {
    const state = await temporaryFolder();
    const agent = await startAgent({ state });
    await readyUnit(agent, "echo-1");
    const processes = await processesOf(state);
    const pids = [...processes.map(({ pid }) => pid), await wardenOf(processes)];
    for (const pid of pids)
      for (const file of ["environ", "cmdline"]) expect(await readFile(`/proc/${pid}/${file}`, "utf8")).not.toContain(KEY);
    expect(await readFile(`/proc/${agent.child.pid}/cmdline`, "utf8")).not.toContain(KEY);
    expect(agent.log()).not.toContain(KEY);
    expect(await readFile(join(state, "agent-processes.json"), "utf8")).not.toContain(KEY);
    expect((await stat(join(state, "agent-processes.json"))).mode & 0o777).toBe(0o600);
  });

  it.for([
    {
      name: "a file that others may read",
      mode: 0o644,
      text: KEY,
      environment: {},
      want: /has mode 644, expected 600: only its owner may read it/,
    },
    { name: "a short one", mode: 0o600, text: "secret", environment: {}, want: /holds 6 characters, expected 43 to 200 of base64url/ },
    {
      name: "two",
      mode: 0o600,
      text: KEY,
      environment: { TIDEGATE_AGENT_KEY: KEY },
      want: /both TIDEGATE_AGENT_KEY and --key-file name one/,
    },
  ])("$name is refused", async ({ mode, text, environment, want }) => {
    const state = await temporaryFolder();
    const file = join(state, "key");
    await writeFile(file, text);
    await chmod(file, mode);
    const run = await runCli(["agent", "--port", "0", "--state", state, "--key-file", file, "--", "true"], { environment });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(want);
    expect(run.stderr).not.toContain(text);
  });

  it.for([
    { args: [], want: /no command is named, expected it after --/ },
    { args: ["--ports", "9-1", "--", "true"], want: /Cannot read --ports: is "9-1", expected a range such as 21000-24999/ },
    { args: ["--units-max", "0", "--", "true"], want: /Cannot read --units-max: is "0", expected an integer from 1 to 1024/ },
    { args: ["--health", "x", "--", "true"], want: /Cannot read --health: is "x", expected a path such as \/healthz/ },
    { args: ["--service", "E", "--", "true"], want: /Cannot read --service: is "E", expected a service's name/ },
  ])("and options are checked first: $args", async ({ args, want }) => {
    const run = await runCli(["agent", "--port", "0", "--state", await temporaryFolder(), ...args], {
      environment: { TIDEGATE_AGENT_KEY: KEY },
    });
    expect(run.stderr).toMatch(want);
    expect(run.exitCode).toBe(2);
  });
});

it("says where it cannot listen, and why", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const run = async (...args: string[]) => runCli(["agent", "--state", await temporaryFolder(), ...args, "--", "true"]);
  expect(await run("--port", String(port))).toMatchObject({
    exitCode: 1,
    stderr: `Cannot listen on 127.0.0.1:${port}: EADDRINUSE, expected a free port (--port)\n`,
  });
  // Of a net for documentation: nobody has it.
  expect(await run("--host", "192.0.2.1", "--port", "0")).toMatchObject({
    exitCode: 1,
    stderr: "Cannot listen on 192.0.2.1:0: EADDRNOTAVAIL, expected an address of this machine (--host)\n",
  });
});

/** The parent of the units' processes. */
async function wardenOf([first]: readonly RecordedProcess[]): Promise<number> {
  const text = await readFile(`/proc/${first?.pid}/stat`, "utf8");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}
