import { SECOND_MS } from "#shared/units.ts";
import { Credentials, type TokenSource } from "./credentials.ts";
import { gatewayFetch, type FetchContext } from "./gateway-fetch.ts";
import { THIS_PLATFORM, type Platform } from "./platform.ts";
import { Socket } from "./socket.ts";
import type { SocketOptions } from "./socket-options.ts";

export interface ClientOptions {
  /** The gateway's: `https://gateway.example`. */
  readonly url: string;
  readonly token: TokenSource;
  /** How often each open socket's measurements go to the gateway, in band or to `/v1/report`; 0, the default: never. */
  readonly reportIntervalMs?: number;
  readonly platform?: Partial<Platform>;
}

const REPORT_INTERVAL_MS_MIN = 10 * SECOND_MS;

/** A device's way to the services behind one gateway. */
export class TidegateClient {
  readonly #context: FetchContext;
  readonly #reportIntervalMs: number;

  constructor({ url, token, reportIntervalMs = 0, platform = {} }: ClientOptions) {
    this.#context = { url: url.replace(/\/+$/, ""), credentials: new Credentials(token), platform: { ...THIS_PLATFORM, ...platform } };
    this.#reportIntervalMs = reportIntervalMs > 0 ? Math.max(REPORT_INTERVAL_MS_MIN, reportIntervalMs) : 0;
  }

  /** Requests `path` of a service. Beyond `fetch`: the token, and a second try where that is safe and may help. */
  async fetch(service: string, path: string, init: RequestInit = {}): Promise<Response> {
    return gatewayFetch(this.#context, `/s/${service}/${path.replace(/^\//, "")}`, init);
  }

  /** Opens a socket that outlives its connections. Never throws: what goes wrong is an event. */
  connect(service: string, options: SocketOptions): Socket {
    let stop = (): void => {};
    const socket = new Socket(this.#context, service, {
      ...options,
      onEnd(end) {
        stop();
        options.onEnd?.(end);
      },
    });
    if (this.#reportIntervalMs > 0 && options.signal?.aborted !== true) stop = this.#report(service, socket);
    return socket;
  }

  #report(service: string, socket: Socket): () => void {
    const { after } = this.#context.platform;
    let cancel = (): void => {};
    const run = (): void => {
      if (!socket.report()) this.#postReport(service, socket);
      cancel = after(this.#reportIntervalMs, run);
    };
    cancel = after(this.#reportIntervalMs, run);
    return () => cancel();
  }

  #postReport(service: string, socket: Socket): void {
    const body = JSON.stringify({ service, shard: socket.shard ?? undefined, ...socket.takeMeasurements() });
    const headers = { "content-type": "application/json" };
    // A report that does not arrive is not worth a second one.
    gatewayFetch(this.#context, "/v1/report", { method: "POST", headers, body }).catch(() => undefined);
  }
}
