import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CliError } from "#cli/output.ts";
import { isLoopback } from "#shared/config/endpoint-url.ts";
import type { Configuration } from "#shared/config/schema.ts";

export interface DemoEndpoint {
  readonly service: string;
  readonly port: number;
  readonly capacity: number;
}

export interface DemoProcess {
  readonly service: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** What the demo backend can play. */
const DEMO_SERVICES = new Set(["echo", "telemetry"]);

/** Endpoints on this machine of the services that the demo backend plays, with the capacity that is configured. */
export function demoEndpointsOf({ services }: Configuration): DemoEndpoint[] {
  return Object.values(services)
    .filter(({ service }) => DEMO_SERVICES.has(service))
    .flatMap(({ service, endpoints }) =>
      endpoints
        .filter(({ provider }) => provider === "static")
        .map(({ url, capacity }) => ({ service, capacity, url: new URL(url) }))
        .filter(({ url }) => isLoopback(url.hostname) && url.protocol === "http:")
        .map(({ url, capacity }) => ({ service, capacity, port: Number(url.port || 80) })),
    );
}

/** A demo backend in a process of its own; it ends when its standard input does, so it never outlives this process. */
export async function startDemoProcess({ service, port, capacity }: DemoEndpoint): Promise<DemoProcess> {
  const main = join(import.meta.dirname, "../demo-backend/main.ts");
  const child = spawn(process.execPath, [main, "--service", service, "--port", String(port), "--capacity", String(capacity)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit").then(() => undefined);
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^ready (\S+)/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stdout.resume();
    return { service, url, stop };
  }
  throw new CliError(
    `Cannot start the demo backend of ${service} on port ${port}: it ended at once (see above), expected a free port, or --no-backend`,
  );
}
