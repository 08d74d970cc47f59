// HTTP requests over node:http with kept-alive connections: fetch costs more per request and hides why one failed.
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { isProblem, outcomeOfAnswer, type LoadOutcome } from "./load-outcome.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** After the gateway's address. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** The sender goes away: the outcome is `cancelled`. */
  readonly signal: AbortSignal;
}

export interface HttpResult {
  readonly outcome: LoadOutcome;
  /** 0 where no answer came. */
  readonly status: number;
  /** From sending to the last byte of the answer. */
  readonly latencyMs: number;
}

const PROBLEM_BYTES_MAX = 65_536;

export class HttpSender {
  readonly #url: URL;
  readonly #agent: http.Agent;
  readonly #timeoutMs: number;

  constructor({ url, timeoutMs, connectionCountMax }: { url: string; timeoutMs: number; connectionCountMax: number }) {
    this.#url = new URL(url);
    this.#timeoutMs = timeoutMs;
    const options = { keepAlive: true, maxSockets: connectionCountMax, maxFreeSockets: connectionCountMax };
    this.#agent = this.#url.protocol === "https:" ? new https.Agent(options) : new http.Agent(options);
  }

  /** Sends one request to its end. Never throws: whatever happens is an outcome. */
  async send(request: HttpRequest): Promise<HttpResult> {
    const first = await this.#attempt(request);
    // The gateway may close an idle connection in the moment it is used again: that says nothing about the
    // gateway. The second attempt has a connection of its own.
    return first === "stale-connection" ? ((await this.#attempt(request, { isFresh: true })) as HttpResult) : first;
  }

  close(): void {
    this.#agent.destroy();
  }

  #attempt({ method, path, headers, body, signal }: HttpRequest, { isFresh = false } = {}): Promise<HttpResult | "stale-connection"> {
    const sentAtMs = performance.now();
    return new Promise((resolve) => {
      let isConnected = false;
      let ending: LoadOutcome | null = null;
      const client = this.#open({ method, path, headers, isFresh });
      const end = (result: HttpResult | "stale-connection"): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        resolve(result);
      };
      const fail = (outcome: LoadOutcome): void => end({ outcome, status: 0, latencyMs: performance.now() - sentAtMs });
      const giveUp = (outcome: LoadOutcome): void => {
        ending = outcome;
        client.destroy(new Error(outcome));
      };
      const onAbort = (): void => giveUp("cancelled");
      const timer = setTimeout(() => giveUp("answer-timeout"), this.#timeoutMs);
      signal.addEventListener("abort", onAbort, { once: true });
      client.on("socket", (socket) => {
        isConnected = !socket.connecting;
        // Never on a kept connection: it connects no more, and listeners would pile up.
        if (socket.connecting) socket.once("connect", () => (isConnected = true));
      });
      client.on("response", (response) => {
        readAnswer(response).then(
          (answer) => end({ outcome: outcomeOfAnswer(answer), status: response.statusCode ?? 0, latencyMs: performance.now() - sentAtMs }),
          () => fail(ending ?? "answer-broken"),
        );
      });
      client.on("error", () => {
        if (ending === null && client.reusedSocket && !isFresh) end("stale-connection");
        else fail(ending ?? (isConnected ? "answer-broken" : "unreachable"));
      });
      client.end(body);
      if (signal.aborted) onAbort();
    });
  }

  #open({
    method,
    path,
    headers,
    isFresh,
  }: Pick<HttpRequest, "method" | "path" | "headers"> & { readonly isFresh: boolean }): ClientRequest {
    const { protocol, hostname, port, pathname } = this.#url;
    const options = {
      agent: isFresh ? (false as const) : this.#agent,
      method,
      headers,
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port,
      path: `${pathname.replace(/\/$/, "")}${path}`,
    };
    return protocol === "https:" ? https.request(options) : http.request(options);
  }
}

/** Reads to the last byte, but keeps only what says what it was. */
async function readAnswer(response: IncomingMessage): Promise<{ contentType: string; serverTiming: string; body: string }> {
  const contentType = response.headers["content-type"] ?? "";
  const serverTiming = response.headers["server-timing"];
  const kept: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (isProblem(contentType) && bytes < PROBLEM_BYTES_MAX) kept.push(chunk);
    bytes += chunk.length;
  }
  return {
    contentType,
    serverTiming: Array.isArray(serverTiming) ? serverTiming.join(", ") : (serverTiming ?? ""),
    body: Buffer.concat(kept).toString("utf8"),
  };
}
