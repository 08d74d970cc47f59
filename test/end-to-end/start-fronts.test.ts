// `npm start -- --fronts N`: what it says, that its address answers, and that none of its processes outlives another.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { isSystemError } from "#cli/system-error.ts";
import { ROOT } from "#scripts/root.ts";
import { freePort } from "../support/free-port.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidegate-start-fronts-"));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly text: () => string;
}

async function start(state: string, port = 0): Promise<Started> {
  const of = ["--port", String(port), "--fronts", "2", "--no-backend", "--config", join(ROOT, "config"), "--state", join(folder, state)];
  const child = spawn(process.execPath, [join(ROOT, "scripts/start.ts"), ...of], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGTERM"));
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
  await expect.poll(() => text, { timeout: 60_000 }).toContain("Ctrl-C stops everything.");
  return { child, url: /listens on (http:\S+)/.exec(text)?.[1] ?? "", text: () => text };
}

/** Knocks until somebody listens there, and then has the first connection answered. */
async function answerOf(port: number): Promise<number> {
  for (;;) {
    try {
      return (await fetch(`http://127.0.0.1:${port}/livez`)).status;
    } catch (error) {
      if (!(error instanceof Error && isSystemError(error.cause, "ECONNREFUSED"))) throw error;
    }
  }
}

interface Process {
  readonly pid: number;
  readonly command: string;
}

/** All that have the word on their command line. */
async function processesOf(word: string): Promise<Process[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return pids
    .map((pid, index) => ({ pid: Number(pid), command: (lines[index] ?? "").replaceAll("\0", " ") }))
    .filter(({ command }) => command.includes(word));
}

const workerds = async (state: string, config: string): Promise<Process[]> =>
  (await processesOf(join(folder, state, config))).filter(({ command }) => /^\S*workerd serve /.test(command));

const expectAllGone = async (state: string): Promise<void> =>
  expect.poll(async () => processesOf(join(folder, state)), { timeout: 25_000 }).toEqual([]);

describe("npm start -- --fronts 2", { timeout: 180_000 }, () => {
  it("says so, answers at one address, and lets nobody else near the gateway's own socket", async () => {
    // A state folder that was there before, and is open to others.
    for (const name of ["says", "says/fronts"]) {
      await mkdir(join(folder, name));
      await chmod(join(folder, name), 0o777);
    }
    const { child, url, text } = await start("says");
    expect(text()).toContain("front processes that hold the devices' connections: 2");
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(await workerds("says", "front.capnp")).toHaveLength(2);
    expect(await workerds("says", "workerd.capnp")).toHaveLength(1);
    // Whoever may write to a Unix socket may connect to it; a folder is there for whoever may search it.
    const sockets = (await readdir(join(folder, "says"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isSocket());
    expect(sockets.map(({ name }) => name)).toEqual(["gateway.sock"]);
    for (const { parentPath } of sockets) expect((await stat(parentPath)).mode & 0o077).toBe(0);
    child.kill("SIGTERM");
    await expectAllGone("says");
  });

  it("loses no device that comes while it starts", async () => {
    const port = await freePort();
    const starting = start("early", port);
    const answers = Promise.all(Array.from({ length: 20 }, async () => answerOf(port)));
    const { child } = await starting;
    expect(await answers).toEqual(Array.from({ length: 20 }, () => 200));
    child.kill("SIGTERM");
    await expectAllGone("early");
  });

  it.for(["SIGTERM", "SIGKILL"] as const)("stops everything when it gets %s, and starts in the same folder again", async (signal) => {
    for (let turn = 0; turn < 2; turn += 1) {
      const { child } = await start(signal);
      expect((await processesOf(join(folder, signal))).length).toBeGreaterThanOrEqual(6);
      child.kill(signal);
      await expectAllGone(signal);
    }
  });

  it.for([
    { name: "a front", config: "front.capnp", said: /The gateway's front process [12] of 2 has ended by itself/ },
    { name: "the gateway's process", config: "workerd.capnp", said: /The gateway's process has ended by itself/ },
  ])("ends, and says what has ended, where $name dies", async ({ config, said }) => {
    const { child, text } = await start(config);
    const exited = once(child, "exit");
    const [first] = await workerds(config, config);
    process.kill(first?.pid ?? 0, "SIGKILL");
    expect((await exited)[0]).toBe(1);
    expect(text()).toMatch(said);
    await expectAllGone(config);
  });
});
