// The backend of every contender: as little HTTP as will do, so that it is not what is measured. Runs in a process of
// its own; answers one fixed response after a delay, and counts what is in flight.
import { createServer, type AddressInfo, type Socket } from "node:net";

export interface BackendStats {
  readonly served: number;
  readonly inFlight: number;
  /** Since the last question. */
  readonly inFlightMax: number;
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
      const answer = (): void => {
        if (socket.destroyed) return;
        pending -= 1;
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

process.on("message", (message: BackendMessage) => {
  if (message.kind === "delay") ({ delayMs } = message);
  const { user, system } = process.cpuUsage();
  const stats: BackendStats = { ...counts, cpuMs: (user + system) / 1_000 };
  counts.inFlightMax = counts.inFlight;
  process.send?.(stats);
});
// Whoever started this is gone.
process.on("disconnect", () => process.exit(0));
server.listen({ host: "127.0.0.1", port: 0 }, () => process.send?.({ port: (server.address() as AddressInfo).port }));
