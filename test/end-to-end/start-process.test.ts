// `npm start` with a capacity agent: what it says, who may ask the agent, and that nothing outlives it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { readConfigurationFolder } from "#cli/configuration-folder.ts";
import { withProcessProvider } from "#scripts/local/process-configuration.ts";
import { ROOT } from "#scripts/root.ts";
import { HttpCapacityProvider } from "#durable/pool/capacity/http-provider.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { freePort } from "../support/free-port.ts";

let folder: string;
let agentPort: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidegate-start-process-"));
  agentPort = await freePort();
  await cp(join(ROOT, "config"), join(folder, "config"), { recursive: true });
  const file = join(folder, "config/services/telemetry.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace("9102", String(await freePort())));
  await writeFile(
    join(folder, "config/services/echo.yaml"),
    `service: echo
endpoints: [{ url: "http://127.0.0.1:${agentPort}", provider: process, capacity: 60, pricePerHour: 0.6 }]
shards: { sizeMax: 20 }
`,
  );
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

async function start(args: readonly string[]): Promise<{ child: ChildProcess; text: string }> {
  const child = spawn(process.execPath, [join(ROOT, "scripts/start.ts"), "--port", "0", "--state", join(folder, "state"), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGTERM"));
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
  await expect.poll(() => text, { timeout: 60_000 }).toContain("Ctrl-C stops everything.");
  return { child, text };
}

/** Command lines of all that has the state folder, or the unit's port, in it. */
async function processesOf(...words: readonly string[]): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.map((line) => line.replaceAll("\0", " ")).filter((line) => words.some((word) => line.includes(word)));
}

describe("npm start with a capacity agent", () => {
  it("starts it where the configuration says, for whoever has the key, also from the state folder's version; and ends its processes", async () => {
    const said = `capacity agent of echo: http://127.0.0.1:${agentPort} starts and stops up to 5 backend processes, as planned`;
    const { child, text } = await start(["--config", join(folder, "config")]);
    expect(text).toContain(said);
    expect(text).not.toContain("the gateway has no key");
    expect((await fetch(`http://127.0.0.1:${agentPort}/v1/offers`)).status).toBe(401);
    const key = (await readFile(join(folder, "state/agent.key"), "utf8")).trim();
    expect(text).not.toContain(key);
    const provider = new HttpCapacityProvider({ url: `http://127.0.0.1:${agentPort}`, key, timeoutMs: 20_000 });
    expect(await provider.offers()).toMatchObject({ ok: true, value: [{ slotsMax: 20, pricePerHour: 0.2 }] });
    await provider.reserve({ unitId: "by-hand", offerId: "process", service: "echo", slots: 20, pricePerHourMax: 1 });
    await provider.start("by-hand");
    const unit = async (): Promise<string> => {
      const units = await provider.units("echo");
      return (units.ok ? units.value.find(({ unitId }) => unitId === "by-hand")?.url : null) ?? "";
    };
    await expect.poll(unit, { timeout: 25_000 }).toMatch(/^http:/);
    const port = new URL(await unit()).port;
    expect((await fetch(await unit())).status).toBe(200);
    // workerd, agent, warden, and the unit at least.
    expect((await processesOf(join(folder, "state"), `--port ${port} `)).length).toBeGreaterThanOrEqual(4);
    child.kill("SIGKILL");
    await expect.poll(async () => processesOf(join(folder, "state"), `--port ${port} `), { timeout: 25_000 }).toEqual([]);

    const again = await start([]);
    expect(again.text).toContain("Version 1 from the state folder is in force");
    expect(again.text).toContain(said);
    again.child.kill("SIGTERM");
    await expect.poll(async () => processesOf(join(folder, "state")), { timeout: 25_000 }).toEqual([]);
  }, 150_000);

  it("--provider process is the embedded default with echo on an agent that acts", async () => {
    const { documents } = await readConfigurationFolder(join(ROOT, "config"));
    const validated = validateConfiguration(withProcessProvider(documents, 9_300));
    const { services } = validated.ok ? validated.configuration : expect.unreachable(JSON.stringify(validated));
    expect(services["echo"]).toMatchObject({
      endpoints: [{ url: "http://127.0.0.1:9300", provider: "process" }],
      provisioning: { mode: "act" },
    });
    expect(services["telemetry"]?.endpoints).toMatchObject([{ provider: "static" }]);
  });

  it.for([
    { args: ["--provider", "aws"], want: '--provider is "aws", expected static or process' },
    { args: ["--provider", "process", "--config", "config"], want: "--provider process is beside --config, expected one of them" },
    { args: ["--agent-port", "0"], want: '--agent-port is "0", expected an integer from 1 to 65535' },
    { args: ["--start-ms", "soon"], want: '--start-ms is "soon", expected an integer from 0 to 3600000' },
  ])("refuses $args", async ({ args, want }) => {
    const child = spawn(process.execPath, [join(ROOT, "scripts/start.ts"), ...args], { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    child.stderr.on("data", (chunk) => (text += String(chunk)));
    await once(child, "close");
    expect(text).toContain(want);
    expect(child.exitCode).toBe(1);
  });
});
