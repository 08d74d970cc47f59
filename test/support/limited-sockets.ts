// A gateway whose services limit their sockets, each in its way, and raw sockets at it.
import { once } from "node:events";
import WebSocket from "ws";
import { documentsOf, startTestGateway, type TestGateway } from "./gateway.ts";

export const IDLE_MS_MAX = 1_000;
export const RATE = { perSecond: 10, burst: 20 };
const SERVICES = {
  rated: {
    messagesPerSecond: RATE.perSecond,
    messageBurst: RATE.burst,
    messageBytesMax: 1_000,
    classes: { bronze: { messageBytesMax: 10 } },
  },
  idle: { idleMsMax: IDLE_MS_MAX },
  aging: { lifetimeMsMax: 2_000 },
  counted: { perDeviceMax: 8 },
  shared: { perTenantMax: 3 },
  unbound: { closeOnTokenExpiry: false },
  echo: {},
} as const;
type Service = keyof typeof SERVICES;

export const KINDS = [
  { kind: "a plain socket", protocols: [] as string[] },
  { kind: "a session", protocols: ["tidegate.v1"] },
] as const;

type Claims = NonNullable<Parameters<TestGateway["token"]>[0]>;

export interface OpenSocket {
  readonly socket: WebSocket;
  readonly frames: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
  /** A session's first; empty: it is none. */
  readonly resumeToken: string;
  /** As the protocol numbers it, or as it is. */
  send(text: string): void;
}

export interface LimitedSockets {
  readonly gateway: TestGateway;
  token(claims?: Claims): Promise<string>;
  /** Closes it with the others. */
  keep(socket: WebSocket): WebSocket;
  /** `isConfirmed`: a session whose device has not taken its token is over within 15 seconds. */
  open(service: Service, protocols: readonly string[], claims?: Claims & { isConfirmed?: boolean }): Promise<OpenSocket>;
  /** Every socket that was opened. */
  closeAll(): void;
}

export async function startLimitedSockets(): Promise<LimitedSockets> {
  const gateway = await startTestGateway({ capacity: 500 });
  const { url } = gateway.backend;
  const more = Object.fromEntries(Object.keys(SERVICES).map((service) => [service, url]));
  const documents = documentsOf({ url, capacity: 500, echo: {}, more }).map(({ file, document }) => {
    const service = /^services\/(.*)\.yaml$/.exec(file)?.[1] as Service | undefined;
    return {
      file,
      document: service === undefined ? document : { ...(document as object), sockets: { mode: "websocket", ...SERVICES[service] } },
    };
  });
  const unique = documents.filter(({ file }, index) => documents.findIndex((other) => other.file === file) === index);
  const applied = await gateway.apply(unique);
  if (!applied.ok) throw new Error(JSON.stringify(applied.errors));
  const sockets: WebSocket[] = [];
  const token = async (claims: Claims = {}): Promise<string> => gateway.token({ services: Object.keys(SERVICES), ...claims });
  const keep = (socket: WebSocket): WebSocket => {
    socket.on("error", () => undefined);
    sockets.push(socket);
    return socket;
  };
  return {
    gateway,
    token,
    keep,
    async open(service, protocols, { isConfirmed = true, ...claims } = {}) {
      const headers = { authorization: `Bearer ${await token(claims)}` };
      const socket = keep(new WebSocket(`${gateway.url.replace("http", "ws")}/connect/${service}`, [...protocols], { headers }));
      const frames: string[] = [];
      socket.on("message", (data: Buffer) => frames.push(data.toString()));
      const closed = once(socket, "close").then(([code, reason]: unknown[]) => ({ code: code as number, reason: String(reason) }));
      await once(socket, "open");
      let count = 0;
      let resumeToken = "";
      if (protocols.length > 0) {
        const welcomed = once(socket, "message");
        socket.send('{"type":"hello","attempt":1,"received":0}');
        await welcomed;
        ({ token: resumeToken } = JSON.parse(frames.splice(0)[0] ?? "") as { token: string });
        if (isConfirmed) socket.send(JSON.stringify({ type: "rotated", token: resumeToken }));
      }
      return { socket, frames, closed, resumeToken, send: (text) => socket.send(protocols.length > 0 ? `m${++count}:${text}` : text) };
    },
    closeAll() {
      // A session that is cut off would be waited for.
      for (const socket of sockets.splice(0)) socket.close(1000);
    },
  };
}

/** What a session is told before it is closed. */
export function endOf(frames: readonly string[]): unknown {
  const last = frames.findLast((frame) => frame.startsWith("{"));
  return last === undefined ? null : JSON.parse(last);
}
