// One device's WebSocket: opened, so many messages one after another, closed.
import net from "node:net";
import { SECOND_MS } from "#shared/units.ts";
import { socketProtocols, socketUrl } from "../socket-address.ts";
import type { LoadOutcome } from "./load-outcome.ts";

export interface SocketSession {
  /** The gateway's. */
  readonly url: string;
  readonly service: string;
  readonly token: string;
  readonly messageCount: number;
  /** For the whole session. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const CLOSE_NORMAL = 1000;
const PROBE_TIMEOUT_MS = 5 * SECOND_MS;

/** Runs one session to its end. Never throws: whatever happens is an outcome. */
export async function runSocketSession({ url, service, token, messageCount, timeoutMs, signal }: SocketSession): Promise<LoadOutcome> {
  const outcome = await new Promise<LoadOutcome | "not-opened">((resolve) => {
    const socket = new WebSocket(socketUrl(url, service), socketProtocols(token));
    let answered = 0;
    let isOpened = false;
    const end = (result: LoadOutcome | "not-opened"): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      resolve(result);
    };
    const giveUp = (result: LoadOutcome): void => {
      end(result);
      socket.close();
    };
    const onAbort = (): void => giveUp("cancelled");
    const timer = setTimeout(() => giveUp(isOpened ? "socket-broken" : "answer-timeout"), timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.addEventListener("open", () => {
      isOpened = true;
      socket.send("message 1");
    });
    socket.addEventListener("message", () => {
      answered++;
      if (answered < messageCount) socket.send(`message ${answered + 1}`);
      else if (answered === messageCount) socket.close(CLOSE_NORMAL);
    });
    socket.addEventListener("close", ({ code }) => {
      if (!isOpened) end("not-opened");
      // A socket has no headers to tell more: that it waited for a slot or not stays the gateway's knowledge.
      else end(answered >= messageCount && code === CLOSE_NORMAL ? "admitted-queued" : "socket-broken");
    });
    if (signal.aborted) onAbort();
  });
  if (outcome !== "not-opened") return outcome;
  return (await canConnect(url)) ? "socket-refused" : "unreachable";
}

/** A WebSocket that does not open hides whether anyone was there. */
async function canConnect(url: string): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const probe = net.connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || (protocol === "https:" ? 443 : 80) });
    const end = (result: boolean): void => {
      probe.destroy();
      resolve(result);
    };
    probe.setTimeout(PROBE_TIMEOUT_MS, () => end(false));
    probe.once("connect", () => end(true));
    probe.once("error", () => end(false));
  });
}
