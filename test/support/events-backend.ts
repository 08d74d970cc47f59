// A backend that speaks WebSocket-over-HTTP and handles every message once, and a network before it that fails.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { handleOnce, NOTHING_HANDLED, type DedupeState } from "#client/message-dedupe.ts";
import { encodeEvents, EventParser, type SocketEvent } from "#shared/protocol/websocket-events.ts";
import type { Payload } from "#shared/resume/frames.ts";

export type Fault = "refuse" | "reset-before" | "reset-after" | "garbage" | "forbid" | null;

export interface EventsBackend {
  readonly url: string;
  /** Messages that the application handled, by session. */
  readonly handled: Map<string, string[]>;
  /** Events other than messages, by session, in order of arrival. */
  readonly others: Map<string, SocketEvent[]>;
  /** Requests with messages. */
  readonly requests: number;
  /** What becomes of the next requests with messages. */
  faultOf: (index: number) => Fault;
  /** The same for requests that open a connection; "stall": nothing. */
  openFaultOf: (index: number) => Fault | "stall";
  /** What it ends a connection with that it takes, in the same answer; null: it goes on. */
  openEndOf: () => SocketEvent | null;
  /** Topics that it puts a device on when that opens; where there are any it speaks GRIP, without a mark before messages. */
  topicsOf: (device: string) => readonly string[];
  close(): Promise<void>;
}

/** Answers "m" with "echo m", "three" with three messages, "close" with a close of 4009. `states`: where several processes of one backend keep them. */
export async function startEventsBackend(states = new Map<string, DedupeState>()): Promise<EventsBackend> {
  const handled = new Map<string, string[]>();
  const others = new Map<string, SocketEvent[]>();
  let requests = 0;
  let openings = 0;
  const server = createServer((request, response) => void serve(request, response));
  const backend: EventsBackend = {
    get url() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    get requests() {
      return requests;
    },
    handled,
    others,
    faultOf: () => null,
    openFaultOf: () => null,
    openEndOf: () => null,
    topicsOf: () => [],
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const events = await readEvents(request);
    const messages = events.flatMap((event): Payload[] =>
      event.type === "TEXT" ? [event.text] : event.type === "BINARY" ? [event.content] : [],
    );
    // A plain socket's messages have no numbers: each comes at most once.
    const isPlain = request.headers["tidegate-session"] === undefined;
    const session = String(request.headers["connection-id"]);
    others.set(session, [...(others.get(session) ?? []), ...events.filter(({ type }) => type !== "TEXT" && type !== "BINARY")]);
    const isOpening = events.some(({ type }) => type === "OPEN");
    const fault = messages.length > 0 ? backend.faultOf(requests++) : isOpening ? backend.openFaultOf(openings++) : null;
    if (fault === "stall") return;
    if (fault === "reset-before") return void request.socket.destroy();
    if (fault === "refuse" || fault === "forbid") return void response.writeHead(fault === "refuse" ? 503 : 403).end();
    const seen = handled.get(session) ?? [];
    handled.set(session, seen);
    const { state, messages: answers } = handleOnce(
      states.get(session) ?? NOTHING_HANDLED,
      isPlain
        ? { first: (states.get(session)?.handled ?? 0) + 1, confirmed: states.get(session)?.handled ?? 0, messages }
        : { first: Number(request.headers["tidegate-sequence"]), confirmed: Number(request.headers["tidegate-confirmed"]), messages },
      (message) => {
        seen.push(textOf(message));
        return answersTo(textOf(message));
      },
    );
    states.set(session, state);
    if (fault === "reset-after") return void request.socket.destroy();
    const [protocol] = (request.headers["sec-websocket-protocol"] ?? "").split(", ");
    const device = /device="([^"]*)"/.exec(String(request.headers["connection-identifier"]))?.[1] ?? "";
    const topics = backend.topicsOf(device);
    response.writeHead(200, {
      "content-type": "application/websocket-events",
      ...(topics.length === 0 ? {} : { "sec-websocket-extensions": 'grip; message-prefix=""' }),
      ...(isPlain && protocol !== "" ? { "sec-websocket-protocol": protocol } : {}),
    });
    if (fault === "garbage") return void response.end("TEXT 5\r\nhel");
    const subscribed = topics.map((channel): SocketEvent => ({
      type: "TEXT",
      text: `c:${JSON.stringify({ type: "subscribe", channel })}`,
    }));
    const opened: SocketEvent[] = isOpening ? [{ type: "OPEN" }, ...subscribed] : [];
    const end = isOpening
      ? backend.openEndOf()
      : messages.includes("close")
        ? ({ type: "CLOSE", code: 4009, reason: "as asked" } as const)
        : null;
    const closed: SocketEvent[] = end === null ? [] : [end];
    response.end(encodeEvents([...opened, ...answers.map((answer): SocketEvent => ({ type: "TEXT", text: textOf(answer) })), ...closed]));
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return backend;
}

async function readEvents(request: IncomingMessage): Promise<SocketEvent[]> {
  const parser = new EventParser(2_000_000);
  const events: SocketEvent[] = [];
  for await (const chunk of request) {
    const read = parser.push(chunk as Buffer);
    if ("ok" in read) throw new Error(read.detail);
    events.push(...read);
  }
  return events;
}

function answersTo(message: string): string[] {
  return message === "three" ? ["1", "2", "3"] : [`echo ${message}`];
}

function textOf(payload: Payload): string {
  return typeof payload === "string" ? payload : Buffer.from(payload).toString();
}
