import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { BackendMessage, BackendStats } from "./backend.ts";

export interface BackendProcess {
  readonly port: number;
  /** Sets the delay before every answer; returns the counts as they were. */
  setDelay(delayMs: number): Promise<BackendStats>;
  stats(): Promise<BackendStats>;
  stop(): Promise<void>;
}

export async function startBackend(): Promise<BackendProcess> {
  const child = fork(join(import.meta.dirname, "backend.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const exited = once(child, "exit");
  const ask = async (message: BackendMessage): Promise<BackendStats> => {
    const answered = once(child, "message");
    child.send(message);
    const [stats] = (await answered) as [BackendStats];
    return stats;
  };
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    port,
    setDelay: (delayMs) => ask({ kind: "delay", delayMs }),
    stats: () => ask({ kind: "stats" }),
    async stop() {
      child.disconnect();
      await exited;
    },
  };
}
