// A real agent in a process of its own, and a caller of its HTTP API.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished, type TestContext } from "vitest";
import { ROOT } from "#scripts/root.ts";
import { HttpCapacityProvider } from "#durable/pool/capacity/http-provider.ts";
import type { CapacityUnit } from "#shared/protocol/capacity-provider.ts";

export const KEY = "t".repeat(43);

export interface AgentProcess {
  readonly url: string;
  readonly child: ChildProcess;
  readonly provider: HttpCapacityProvider;
  /** What it has written for people. */
  readonly log: () => string;
  call(method: string, path: string, more?: { readonly key?: string | null; readonly body?: string }): Promise<Response>;
  unit(unitId: string): Promise<CapacityUnit | undefined>;
  stop(): Promise<void>;
}

export const ECHO = [
  process.execPath,
  join(ROOT, "scripts/demo-backend/main.ts"),
  "--service",
  "{service}",
  "--port",
  "{port}",
  "--capacity",
  "{slots}",
] as const;

export interface AgentProcessOptions {
  readonly state: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
}

/** Ends with the test, if not before. */
export async function startAgent(
  options: AgentProcessOptions,
  context: Pick<TestContext, "onTestFinished"> = { onTestFinished },
): Promise<AgentProcess> {
  const agent = await startAgentFor(options);
  context.onTestFinished(agent.stop);
  return agent;
}

export async function startAgentFor({ state, args = [], command = ECHO }: AgentProcessOptions): Promise<AgentProcess> {
  const child = spawn(
    process.execPath,
    [join(ROOT, "cli/main.ts"), "agent", "--port", "0", "--state", state, "--health", "/__stats", ...args, "--", ...command],
    { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, TIDEGATE_AGENT_KEY: KEY } },
  );
  const stop = async (): Promise<void> => {
    child.stdin.end();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^ready (\S+)/.exec(line)?.[1];
    if (url === undefined) continue;
    const provider = new HttpCapacityProvider({ url, key: KEY, timeoutMs: 20_000 });
    return {
      url,
      child,
      provider,
      stop,
      log: () => said,
      call: async (method, path, { key = KEY, body } = {}) =>
        fetch(url + path, {
          method,
          ...(key === null ? {} : { headers: { authorization: `Bearer ${key}` } }),
          ...(body === undefined ? {} : { body }),
        }),
      async unit(unitId) {
        const answer = await provider.units("echo");
        if (!answer.ok) throw new Error(answer.detail);
        return answer.value.find((unit) => unit.unitId === unitId);
      },
    };
  }
  throw new Error(`the agent ended at once: ${said}`);
}
