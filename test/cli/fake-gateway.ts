// The gateway's public face as the commands see it, on a real port: answers what the test says, remembers what came.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface FakeGatewayOptions {
  readonly answer?: (request: SeenRequest, response: ServerResponse) => void;
  /** Absent: every upgrade is refused with 503. */
  readonly converse?: (socket: WebSocket, request: IncomingMessage) => void;
  /** What is in force. */
  readonly configuration?: unknown;
}

export interface FakeGateway {
  readonly url: string;
  readonly requests: SeenRequest[];
  readonly upgrades: IncomingMessage[];
}

export const OPERATOR_KEY = "o".repeat(43);

export const CONFIGURATION = {
  classes: { gold: { weight: 8 }, silver: { weight: 3 }, bronze: { weight: 1 } },
  services: { echo: {}, telemetry: {} },
  tenants: {
    acme: { services: { echo: { gold: {}, silver: {}, bronze: {} }, telemetry: { silver: {} } } },
    umbrella: { services: { echo: { bronze: {} } } },
  },
};

export async function startFakeGateway({
  answer = (_, response) => void response.end("ok"),
  converse,
  configuration = CONFIGURATION,
}: FakeGatewayOptions = {}): Promise<FakeGateway> {
  const requests: SeenRequest[] = [];
  const upgrades: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const seen = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body };
      requests.push(seen);
      if (seen.path === "/v1/config" && seen.method === "GET")
        return sendJson(response, 200, { version: 7, digest: "d1g357", configuration });
      return answer(seen, response);
    });
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  server.on("upgrade", (request, connection, head) => {
    upgrades.push(request);
    if (converse) sockets.handleUpgrade(request, connection, head, (socket) => converse(socket, request));
    else connection.end("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    for (const socket of sockets.clients) socket.terminate();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, upgrades };
}

/** An address where nobody listens: its port was free a moment ago. */
export async function unusedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  // Problems say so by their type.
  const isProblem = typeof body === "object" && body !== null && "type" in body;
  response.writeHead(status, { "content-type": isProblem ? "application/problem+json" : "application/json" });
  response.end(JSON.stringify(body));
}

export function sendProblem(
  response: ServerResponse,
  { status, outcome, detail }: { status: number; outcome: string; detail: string },
): void {
  sendJson(response, status, { type: `https://tidegate.example/problems/${outcome}`, status, detail });
}
