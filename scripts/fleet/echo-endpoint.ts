// An endpoint that echoes and remembers how far each session came, in both ways that sockets reach one: over HTTP, where
// a message may come twice and must be handled once, and over a socket of its own.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { handleOnce, NOTHING_HANDLED, type DedupeState } from "#client/message-dedupe.ts";
import { encodeEvents, EventParser, EVENTS_CONTENT_TYPE, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import { SECOND_MS } from "#shared/units.ts";
import { LIMITS } from "#shared/limits.ts";

export interface EchoEndpoint {
  readonly url: string;
  /** Messages that were handled; one that came again is handled once. */
  readonly handled: number;
  /** Requests that brought messages which had come before. */
  readonly repeated: number;
  close(): Promise<void>;
}

/** As an endpoint's server does; each connection is two open files of the gateway's. */
const KEEP_ALIVE_MS = 15 * SECOND_MS;

export const echoOf = (message: string): string => `echo ${message}`;

export async function startEchoEndpoint(): Promise<EchoEndpoint> {
  const states = new Map<string, DedupeState>();
  const counts = { handled: 0, repeated: 0 };
  const handle = (text: string): string => {
    counts.handled += 1;
    return echoOf(text);
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const events = await readEvents(request);
    const session = String(request.headers["tidegate-session"]);
    const texts = events.flatMap((event) => (event.type === "TEXT" ? [event.text] : []));
    const first = Number(request.headers["tidegate-sequence"] ?? 0);
    const before = states.get(session) ?? NOTHING_HANDLED;
    if (texts.length > 0 && first <= before.handled) counts.repeated += 1;
    const { state, messages } = handleOnce(
      before,
      { first, confirmed: Number(request.headers["tidegate-confirmed"] ?? 0), messages: texts },
      (message) => [handle(String(message))],
    );
    const isOver = events.some(({ type }) => type === "CLOSE" || type === "DISCONNECT");
    if (isOver) states.delete(session);
    else states.set(session, state);
    const opened = events.filter(({ type }) => type === "OPEN");
    const answers = messages.map((message): SocketEvent => ({ type: "TEXT", text: String(message) }));
    response.writeHead(200, { "content-type": EVENTS_CONTENT_TYPE }).end(encodeEvents([...opened, ...answers]));
  };
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, handleProtocols: () => false });
  sockets.on("connection", (socket) => {
    socket.on("error", () => socket.terminate());
    socket.on("message", (data: Buffer) => socket.send(handle(data.toString())));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get handled() {
      return counts.handled;
    },
    get repeated() {
      return counts.repeated;
    },
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function readEvents(request: IncomingMessage): Promise<SocketEvent[]> {
  const parser = new EventParser(LIMITS.socketMessageBytesMax);
  const events: SocketEvent[] = [];
  for await (const chunk of request) {
    const read = parser.push(chunk as Buffer);
    if ("ok" in read) throw new Error(read.detail);
    events.push(...read);
  }
  return events;
}
