import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";
import { AgentLock } from "#cli/agent/agent-lock.ts";
import { isZombie, startTicksOf } from "#cli/agent/process-record.ts";

async function folderOf(owner: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-agent-lock-"));
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "agent.lock"), owner);
  return folder;
}

it("is not had by who lives", async () => {
  const folder = await folderOf(`${process.pid} ${startTicksOf(process.pid)}`);
  await expect(AgentLock.take(folder)).rejects.toThrow(`process ${process.pid} is one already`);
});

it("is had after another of the same pid", async () => {
  const folder = await folderOf(`${process.pid} ${(startTicksOf(process.pid) ?? 0) - 1}`);
  await (await AgentLock.take(folder)).release();
});

// What ends here is somebody else's child, who does not ask how it ended.
it.runIf(process.platform === "linux")("is had after who has ended, though it still has its pid", async () => {
  const parent = spawn("sh", ["-c", "cat <&3 >/dev/null & echo $!; exec sleep 60 3<&-"], { stdio: ["ignore", "pipe", "ignore", "pipe"] });
  const ended = once(parent, "exit");
  onTestFinished(async () => {
    parent.kill("SIGKILL");
    await ended;
  });
  if (parent.stdout === null) throw new Error("A pipe was asked for");
  const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
  const pid = Number(line);
  // A shell may ask how its child ended; what it becomes does not.
  await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, "utf8").trim()).toBe("sleep");
  parent.stdio[3]?.destroy();
  await expect.poll(() => isZombie(pid)).toBe(true);
  const folder = await folderOf(`${pid} ${startTicksOf(pid)}`);
  await (await AgentLock.take(folder)).release();
});
