import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface EchoProcess {
  readonly port: number;
  /** User and system time of the whole process so far. */
  cpuMs(): Promise<number>;
  stop(): Promise<void>;
}

export async function startEcho(): Promise<EchoProcess> {
  const child = fork(join(import.meta.dirname, "echo-backend.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const exited = once(child, "exit");
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    port,
    async cpuMs() {
      const answered = once(child, "message");
      child.send({});
      const [{ cpuMs }] = (await answered) as [{ cpuMs: number }];
      return cpuMs;
    },
    async stop() {
      child.disconnect();
      await exited;
    },
  };
}
