import { NORMAL } from "#shared/protocol/close-codes.ts";
import { canSend, NEW_DEVICE_SESSION, nextTickAtMs } from "#shared/resume/device-session.ts";
import { stepDevice, type DeviceEffect, type DeviceInput, type SessionEnd } from "#shared/resume/step-device.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { payloadBytes, SUBPROTOCOL, type Payload } from "#shared/resume/frames.ts";
import { SECOND_MS } from "#shared/units.ts";
import { askWhy } from "./ask-why.ts";
import { Connection } from "./connection.ts";
import type { FetchContext } from "./gateway-fetch.ts";
import { Meter, type Measurements } from "./meter.ts";
import { Reconnection } from "./reconnection.ts";
import type { SocketEnd, SocketOptions } from "./socket-options.ts";

const FLUSH_MS_MAX = 5 * SECOND_MS;
const CLOSE_REPLACED = 4000; // Any code but 1000, which would end the session.
/** Why a gateway lets a connection go whose token is about to expire. */
const TOKEN_EXPIRED = "token-expired";

/** A socket that outlives its connections. Every message arrives exactly once and in order, or `onLost` says which may not. */
export class Socket {
  readonly #context: FetchContext;
  readonly #service: string;
  readonly #options: SocketOptions;
  readonly #meter: Meter;
  readonly #reconnection: Reconnection;
  #state = NEW_DEVICE_SESSION;
  #connection: Connection | null = null;
  #cancelTick: (() => void) | null = null;
  #tickAtMs: number | null = null;
  #cancelFlush: (() => void) | null = null;
  /** Why the last upgrade was refused. */
  #question: AbortController | null = null;
  /** Of the newest connection. */
  #bearer = "";
  #isOnline = false;
  #hasRoom = true;
  #isClosing = false;
  #hasEnded = false;

  constructor(context: FetchContext, service: string, options: SocketOptions) {
    this.#context = context;
    this.#service = service;
    this.#options = options;
    this.#meter = new Meter(context.platform.nowMs());
    this.#reconnection = new Reconnection(context.platform, () => this.#open());
    const { signal } = options;
    if (signal?.aborted === true) this.#endNormally();
    else {
      signal?.addEventListener("abort", () => this.#endNormally(), { once: true });
      this.#open();
    }
  }

  /** False: the window is full, or the gateway's rate used up, and nothing was sent; `onRoom` says when to come back. Throws where it is too large. */
  send(payload: Payload): boolean {
    const bytes = payloadBytes(payload);
    if (this.#hasEnded || this.#isClosing) return false;
    const bytesMax = Math.min(RESUME.messageBytesMax, this.#state.windowBytes);
    if (bytes > bytesMax) throw new RangeError(`Cannot send a message of ${bytes} bytes: expected at most ${bytesMax}`);
    const nowMs = this.#context.platform.nowMs();
    this.#hasRoom = canSend(this.#state, bytes, nowMs);
    if (!this.#hasRoom) return false;
    this.#meter.sent(bytes, { sequence: this.#state.outbound.sent + 1, nowMs });
    // The caller may use its buffer again; this one waits for an acknowledgement.
    this.#step({ kind: "send", payload: typeof payload === "string" ? payload : payload.slice() });
    return true;
  }

  /** Ends the socket when everything sent was acknowledged, or after five seconds. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#cancelFlush = this.#context.platform.after(FLUSH_MS_MAX, () => this.#endNormally());
    this.#endWhenFlushed();
  }

  /** Where its session is; null: it has none yet. */
  get shard(): string | null {
    return this.#state.token?.split(".")[0] ?? null;
  }

  /** Sends the gateway what was measured since the last report, where anything was. False: there is no connection that takes it. */
  report(): boolean {
    if (this.#state.terms.reportMs === undefined) return false;
    if (!this.#meter.isQuiet) this.#connection?.send({ type: "report", ...this.takeMeasurements() });
    return true;
  }

  /** Counts since the last call. */
  takeMeasurements(): Measurements {
    return this.#meter.take(this.#context.platform.nowMs());
  }

  #step(input: DeviceInput): void {
    const nowMs = this.#context.platform.nowMs();
    const { state, effects } = stepDevice(this.#state, input, nowMs);
    this.#state = state;
    for (const effect of effects) this.#act(effect);
    this.#scheduleTick(nowMs);
  }

  #act(effect: DeviceEffect): void {
    switch (effect.kind) {
      case "transmit":
        return this.#connection?.send(effect.frame);
      case "disconnect":
        return this.#drop(effect.code, effect.reason);
      case "deliver":
        this.#meter.received(payloadBytes(effect.message.payload));
        return this.#tell(() => this.#options.onMessage(effect.message.payload));
      case "attached":
        this.#reconnection.attached();
        this.#isOnline = true;
        return this.#tell(() => this.#options.onOnline?.(true));
      case "drain":
        if (effect.reason === TOKEN_EXPIRED && !this.#context.credentials.refuse(this.#bearer)) return;
        return this.#reconnection.within(effect.graceMs);
      case "room":
        return this.#onRoom();
      case "over":
        return this.#onOver(effect.end);
    }
  }

  #onRoom(): void {
    this.#meter.acknowledged(this.#state.outbound.acknowledged, this.#context.platform.nowMs());
    this.#endWhenFlushed();
    if (this.#hasRoom || this.#hasEnded) return;
    this.#hasRoom = true;
    this.#tell(() => this.#options.onRoom?.());
  }

  #onOver(end: SessionEnd): void {
    const { code, reason, unacknowledged, missed } = end;
    if (end.why === "closed" || end.why === "policy") return this.#end({ kind: "closed", code, reason, unacknowledged, missed });
    // Later connections count on, so that a late one of the old session is not taken for one of the new.
    this.#state = { ...NEW_DEVICE_SESSION, attempt: this.#state.attempt };
    this.#meter.restarted();
    this.#drop(NORMAL, "");
    this.#tell(() => this.#options.onLost?.(end));
  }

  #open(): void {
    if (this.#hasEnded) return;
    if (this.#connection !== null) this.#detach(CLOSE_REPLACED, "a new connection follows");
    this.#context.credentials
      .token()
      .then(
        (token) => this.#openWith(token),
        () => this.#reconnection.failed(0),
      )
      // The token, or the gateway's address, is none that a WebSocket takes.
      .catch((error: unknown) => this.#end({ kind: "refused", status: 0, detail: String(error) }));
  }

  #openWith(bearer: string): void {
    if (this.#hasEnded) return;
    this.#bearer = bearer;
    this.#step({ kind: "connect" });
    const { attempt, token: resumeToken } = this.#state;
    this.#connection = new Connection(
      this.#context,
      { service: this.#service, bearer, resumeToken },
      {
        onOpen: (speaks) => {
          if (speaks) this.#step({ kind: "connected", attempt });
          else this.#end({ kind: "refused", status: 101, detail: `the gateway does not speak ${SUBPROTOCOL}` });
        },
        onFrame: (frame) => this.#step({ kind: "frame", attempt, frame }),
        // An upgrade that was refused looks like any failure: the same route answers the same verdict to a POST.
        onClose: (wasOpen) => this.#onClosed(attempt, wasOpen ? null : bearer),
      },
    );
  }

  #onClosed(attempt: number, refusedBearer: string | null): void {
    this.#onOffline(attempt);
    if (this.#hasEnded) return;
    this.#meter.dropped();
    if (refusedBearer !== null) {
      const aborter = new AbortController();
      this.#question = aborter;
      void askWhy(this.#context, { service: this.#service, bearer: refusedBearer, aborter }).then(({ end, retryAfterMs }) =>
        end === null ? this.#reconnection.failed(retryAfterMs) : this.#end(end),
      );
    } else this.#reconnection.dropped();
  }

  #onOffline(attempt: number): void {
    const wasOnline = this.#isOnline;
    this.#connection = null;
    this.#isOnline = false;
    this.#step({ kind: "dropped", attempt });
    if (wasOnline) this.#tell(() => this.#options.onOnline?.(false));
  }

  #drop(code: number, reason: string): void {
    if (this.#connection === null) return;
    this.#leave(code, reason);
    this.#onClosed(this.#state.attempt, null);
  }

  #detach(code: number, reason: string): void {
    this.#leave(code, reason);
    this.#onOffline(this.#state.attempt);
  }

  #leave(code: number, reason: string): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.close(code, reason);
  }

  #scheduleTick(nowMs: number): void {
    const atMs = this.#hasEnded ? null : nextTickAtMs(this.#state);
    if (atMs === this.#tickAtMs) return;
    // A later one is seen when the earlier one comes: no timer is set anew for each message.
    if (atMs !== null && this.#tickAtMs !== null && atMs > this.#tickAtMs) return;
    this.#cancelTick?.();
    this.#tickAtMs = atMs;
    const onTick = (): void => {
      this.#tickAtMs = null;
      this.#step({ kind: "tick" });
    };
    this.#cancelTick = atMs === null ? null : this.#context.platform.after(Math.max(0, atMs - nowMs), onTick);
  }

  #endWhenFlushed(): void {
    const { token, outbound } = this.#state;
    // Offline, the gateway is told on the next connection: until then the session has its slot.
    if (this.#isClosing && outbound.kept.length === 0 && (this.#isOnline || token === null)) this.#endNormally();
  }

  #endNormally(): void {
    const { kept } = this.#state.outbound;
    this.#end({ kind: "closed", code: NORMAL, reason: "", unacknowledged: kept, missed: null });
  }

  #end(end: SocketEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#reconnection.stop();
    this.#cancelTick?.();
    this.#cancelFlush?.();
    this.#question?.abort();
    this.#leave(NORMAL, "");
    this.#tell(() => this.#options.onEnd?.(end));
  }

  /** An error of the application is the application's: it must not stop the session between two effects. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#context.platform.after(0, () => {
        throw error;
      });
    }
  }
}
