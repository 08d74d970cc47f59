/** The part of a WebSocket that is used, as browsers, Node and Workers have it. */
export interface SocketLike {
  binaryType: string;
  readonly protocol: string;
  addEventListener(type: "open" | "close", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: string | ArrayBuffer }) => void): void;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** What the SDK needs from where it runs. Each part can be replaced, in tests or where a runtime has none. */
export interface Platform {
  readonly openSocket: (url: string, protocols: string[]) => SocketLike;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Whole milliseconds since whenever: only spans are measured. Nobody sets it: a machine's time of day is corrected by hours. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Runs once, later; what it returns prevents that. */
  readonly after: (delayMs: number, run: () => void) => () => void;
}

export const THIS_PLATFORM: Platform = {
  openSocket: (url, protocols) => new WebSocket(url, protocols),
  fetch: async (url, init) => fetch(url, init),
  // Where it stands still while the machine sleeps, timers do too: a connection is asked again before it is taken for dead.
  nowMs: () => Math.floor(performance.now()),
  random: () => Math.random(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
