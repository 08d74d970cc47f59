// The backend of every contender: as little HTTP as will do, so that it is not what is measured. Runs in a process of
// its own; answers one fixed response after a delay, and counts what is in flight.
import { createServer, type AddressInfo, type Socket } from "node:net";

export interface BackendStats {
  readonly served: number;
  readonly inFlight: number;
  /** Since the last question. */
  readonly inFlightMax: number;
  /** The same without requests whose connection closed before their answer: whoever sent those has given them up, and heard
   * so before this process. Of a delayed backend. */
  readonly answeredInFlightMax: number;
  /** User and system, of the whole process. */
  readonly cpuMs: number;
}

export type BackendMessage = { readonly kind: "delay"; readonly delayMs: number } | { readonly kind: "stats" };

const BODY = JSON.stringify({ service: "echo", status: "ok", reading: 20.5, unit: "celsius", note: "x".repeat(180) });
const RESPONSE = Buffer.from(
  [
    "HTTP/1.1 200 OK",
    "content-type: application/json",
    `content-length: ${BODY.length}`,
    "cache-control: no-store",
    'etag: "6b1d-18c"',
    "vary: accept-encoding",
    "",
    BODY,
  ].join("\r\n"),
);
const HEAD_END = "\r\n\r\n";

let delayMs = 0;
const counts = { served: 0, inFlight: 0, inFlightMax: 0 };
/** Of delayed requests that were answered since the last question: when they came, and went. */
let spans: { readonly fromMs: number; readonly toMs: number }[] = [];

const server = createServer({ noDelay: true }, (socket) => {
  let partial = "";
  let pending = 0;
  socket.on("error", () => socket.destroy());
  socket.on("close", () => (counts.inFlight -= pending));
  socket.on("data", (chunk) => {
    // Requests have no bodies here: the end of the head is the end of the request.
    const parts = (partial + chunk.toString("latin1")).split(HEAD_END);
    partial = parts.pop() ?? "";
    for (let request = 0; request < parts.length; request += 1) {
      pending += 1;
      counts.inFlight += 1;
      counts.inFlightMax = Math.max(counts.inFlightMax, counts.inFlight);
      const fromMs = performance.now();
      const answer = (): void => {
        if (socket.destroyed) return;
        pending -= 1;
        if (delayMs > 0) spans.push({ fromMs, toMs: performance.now() });
        respond(socket);
      };
      if (delayMs === 0) answer();
      else setTimeout(answer, delayMs);
    }
  });
});

function respond(socket: Socket): void {
  counts.inFlight -= 1;
  counts.served += 1;
  socket.write(RESPONSE);
}

function mostAtOnce(): number {
  const changes = spans.flatMap(({ fromMs, toMs }) => [
    { atMs: fromMs, by: 1 },
    { atMs: toMs, by: -1 },
  ]);
  // One that goes at the very time when another comes has gone first.
  changes.sort((a, b) => a.atMs - b.atMs || a.by - b.by);
  let [now, most] = [0, 0];
  for (const { by } of changes) most = Math.max(most, (now += by));
  return most;
}

process.on("message", (message: BackendMessage) => {
  if (message.kind === "delay") ({ delayMs } = message);
  const { user, system } = process.cpuUsage();
  const stats: BackendStats = { ...counts, answeredInFlightMax: mostAtOnce(), cpuMs: (user + system) / 1_000 };
  spans = [];
  counts.inFlightMax = counts.inFlight;
  process.send?.(stats);
});
// Whoever started this is gone.
process.on("disconnect", () => process.exit(0));
server.listen({ host: "127.0.0.1", port: 0 }, () => process.send?.({ port: (server.address() as AddressInfo).port }));
