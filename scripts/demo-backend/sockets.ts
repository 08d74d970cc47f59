import { STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { WebSocketServer, type WebSocket } from "ws";
import { LIMITS } from "#shared/limits.ts";
import { readDirectives, type Directives } from "./directives.ts";
import type { Gauge } from "./gauge.ts";
import type { DemoService } from "./services.ts";

export interface SocketOptions {
  readonly server: Server;
  readonly gauge: Gauge;
  readonly service: DemoService;
  readonly delayMs: number;
}

/** Subprotocols of the gateway itself: a token among them must never be echoed. */
const GATEWAY_PROTOCOL_PREFIX = "tidegate.";
/** Messages of one socket whose reply is delayed; then it reads no more until one is sent. */
const WAITING_MAX = 1_000;

/** Serves upgrades of `server`: every message gets the service's reply. */
export function serveSockets({ server, gauge, service, delayMs }: SocketOptions): { count(): number; close(): void } {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LIMITS.socketMessageBytesMax,
    handleProtocols: (offered) => [...offered].find((protocol) => !protocol.startsWith(GATEWAY_PROTOCOL_PREFIX)) ?? false,
  });
  server.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    connection.on("error", () => connection.destroy());
    const read = readDirectives(new URL(request.url ?? "/", "http://localhost").searchParams);
    if (!read.ok) return refuseUpgrade(connection, 400, read.error);
    const leave = gauge.enter();
    if (leave === null) return refuseUpgrade(connection, 503, "over capacity");
    connection.once("close", leave);
    sockets.handleUpgrade(request, connection, head, (socket) =>
      converse(socket, { connection, service, directives: { delayMs, ...read.directives } }),
    );
  });
  return {
    count: () => sockets.clients.size,
    close() {
      for (const socket of sockets.clients) socket.terminate();
    },
  };
}

function converse(
  socket: WebSocket,
  { connection, service, directives }: { connection: Duplex; service: DemoService; directives: Directives },
): void {
  const { delayMs = 0, fault, closeCode, closeReason } = directives;
  const gone = new AbortController();
  let waitingCount = 0;
  // Each reply after the last one, also where their delays end together.
  let last: Promise<unknown> = Promise.resolve();
  const reply = (data: Buffer, isBinary: boolean): void => {
    if (--waitingCount < WAITING_MAX) socket.resume();
    if (socket.readyState === socket.OPEN) socket.send(service.reply(data, isBinary));
  };
  socket.on("error", () => socket.terminate());
  socket.on("close", () => gone.abort());
  socket.on("message", (data: Buffer, isBinary) => {
    if (fault === "hang") return;
    if (fault !== undefined) return resetConnection(connection);
    if (closeCode !== undefined) return socket.close(closeCode, closeReason);
    if (++waitingCount >= WAITING_MAX) socket.pause();
    const due = delayMs > 0 ? setTimeout(delayMs, undefined, { signal: gone.signal }) : Promise.resolve();
    // A rejection: the device left while its reply waited.
    last = Promise.all([due, last]).then(
      () => reply(data, isBinary),
      () => {},
    );
  });
}

function resetConnection(connection: Duplex): void {
  if (connection instanceof Socket) connection.resetAndDestroy();
  else connection.destroy();
}

function refuseUpgrade(connection: Duplex, status: number, error: string): void {
  const body = JSON.stringify({ error });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  connection.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
