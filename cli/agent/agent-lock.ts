import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CliError } from "../output.ts";
import { isSystemError } from "../system-error.ts";
import { isZombie, startTicksOf } from "./process-record.ts";

/** One agent per state folder: a second one would take the first one's processes for left ones. */
export class AgentLock {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  static async take(folder: string): Promise<AgentLock> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, "agent.lock");
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      try {
        await writeFile(file, `${process.pid} ${startTicksOf(process.pid)}`, { flag: "wx", mode: 0o600 });
        return new AgentLock(file);
      } catch (error) {
        if (!isSystemError(error, "EEXIST")) throw error;
      }
      const owner = await readFile(file, "utf8").catch(() => "");
      const [pid, ticks] = owner.split(" ").map(Number);
      if (pid !== undefined && isAlive(pid) && !isZombie(pid) && (startTicksOf(pid) ?? ticks) === ticks)
        throw new CliError(`Cannot start an agent in ${folder}: process ${pid} is one already, expected another folder (--state)`);
      await rm(file, { force: true });
    }
    throw new CliError(`Cannot start an agent in ${folder}: others start there too, expected one`);
  }

  async release(): Promise<void> {
    await rm(this.#file, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isSystemError(error, "EPERM");
  }
}
