// A backend to put behind the gateway: serves, delays, fails on demand, and counts what it was asked to carry at
// once. It refuses what exceeds its capacity, so a gateway that admits too many is seen here and not believed.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { KIB_BYTES } from "#shared/units.ts";
import { readDirectives } from "./directives.ts";
import { misbehave } from "./faults.ts";
import { Gauge } from "./gauge.ts";
import { echoService, sendJson, telemetryService, type DemoService } from "./services.ts";
import { serveSockets } from "./sockets.ts";

export const DEMO_SERVICES = ["echo", "telemetry"] as const;
export type DemoServiceName = (typeof DEMO_SERVICES)[number];

export interface DemoBackendOptions {
  readonly service: DemoServiceName;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Requests and sockets in flight; beyond it the answer is 503. */
  readonly capacity: number;
  /** Before every answer and every echo. */
  readonly delayMs: number;
}

export interface DemoBackendStats {
  readonly inFlight: number;
  readonly inFlightMax: number;
  /** Requests and sockets that have ended. */
  readonly served: number;
  /** Open now. */
  readonly sockets: number;
  readonly overCapacity: number;
}

export interface DemoBackend {
  readonly url: string;
  readonly port: number;
  stats(): DemoBackendStats;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/** Resolves once it listens. */
export async function startDemoBackend({ service: name, host, port, capacity, delayMs }: DemoBackendOptions): Promise<DemoBackend> {
  const service = name === "echo" ? echoService() : telemetryService();
  const gauge = new Gauge(capacity);
  // No time limits of its own: how long a request may take is the gateway's to decide.
  const server = createServer(
    { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000, maxHeaderSize: 64 * KIB_BYTES },
    (request, response) => {
      serve({ request, response, service, gauge, delayMs, stats }).catch(() => response.destroy());
    },
  );
  const sockets = serveSockets({ server, gauge, service, delayMs });
  const stats = (): DemoBackendStats => {
    const { inFlight, inFlightMax, served, overCapacity } = gauge;
    return { inFlight, inFlightMax, served, sockets: sockets.count(), overCapacity };
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    stats,
    async close() {
      sockets.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Serving {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly service: DemoService;
  readonly gauge: Gauge;
  readonly delayMs: number;
  readonly stats: () => DemoBackendStats;
}

async function serve({ request, response, service, gauge, delayMs, stats }: Serving): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/__stats") return sendJson(response, 200, stats());
  const leave = gauge.enter();
  if (leave === null) return sendJson(response, 503, { error: "over capacity" });
  // Whichever comes first: the last byte handed over, or the connection lost.
  response.once("finish", leave);
  response.once("close", leave);
  const read = readDirectives(url.searchParams);
  if (!read.ok) return sendJson(response, 400, { error: read.error });
  const { directives } = read;
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const waitMs = directives.delayMs ?? delayMs;
  if (waitMs > 0) await setTimeout(waitMs, undefined, { signal: gone.signal });
  if (directives.fault !== undefined) return misbehave(directives.fault, request, response);
  await service.answer({ request, response, url, directives, signal: gone.signal });
}
