// The agent's side of its warden: starts processes, ends them, and hears of their ends. A warden that dies takes its processes
// with it, as far as it can; the next one begins with none.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { reclaim } from "./process-record.ts";
import type { WardenCommand, WardenEvent } from "./warden.ts";

export interface ProcessHostOptions {
  readonly recordFile: string;
  readonly onEnded: (unitId: string, how: string) => void;
}

export class ProcessHost {
  readonly #options: ProcessHostOptions;
  readonly #running = new Set<string>();
  #warden: ChildProcess | null = null;
  #isClosed = false;

  constructor(options: ProcessHostOptions) {
    this.#options = options;
  }

  start(unitId: string, command: readonly string[], env: Readonly<Record<string, string>>): void {
    this.#running.add(unitId);
    this.#say({ op: "start", unitId, command, env });
  }

  stop(unitId: string): void {
    if (this.#running.has(unitId)) this.#say({ op: "stop", unitId });
  }

  /** Ends all that runs; resolves when it has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const warden = this.#warden;
    if (warden === null || warden.exitCode !== null || warden.signalCode !== null) return;
    warden.stdin?.end();
    await once(warden, "exit");
  }

  #say(command: WardenCommand): void {
    if (this.#isClosed) return;
    this.#warden ??= this.#startWarden();
    this.#warden.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  #startWarden(): ChildProcess {
    const { recordFile } = this.#options;
    const warden = spawn(process.execPath, [join(import.meta.dirname, "warden.ts"), recordFile], {
      stdio: ["pipe", "pipe", "inherit"],
      // It needs nothing of ours, least of all the key.
      env: {},
    });
    createInterface({ input: warden.stdout }).on("line", (line) => {
      const { unitId, how } = JSON.parse(line) as WardenEvent;
      this.#ended(unitId, how);
    });
    // Written to while it dies.
    warden.stdin.on("error", () => undefined);
    warden.once("exit", () => this.#wardenEnded(recordFile));
    warden.once("error", () => this.#wardenEnded(recordFile));
    return warden;
  }

  #wardenEnded(recordFile: string): void {
    this.#warden = null;
    if (this.#isClosed) return;
    reclaim(recordFile);
    for (const unitId of this.#running) this.#ended(unitId, "ended with the warden that held it");
  }

  #ended(unitId: string, how: string): void {
    if (this.#running.delete(unitId)) this.#options.onEnded(unitId, how);
  }
}
