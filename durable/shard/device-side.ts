// What devices say to their sessions, and how their connections begin and end.
import { NORMAL, POLICY, PROTOCOL_ERROR } from "#shared/protocol/close-codes.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { decodeDeviceFrame, type DeviceFrame, type FrameFault } from "#shared/resume/frames.ts";
import { isTokenOld } from "#shared/resume/gateway-session.ts";
import { TOO_LARGE } from "./breach.ts";
import { BUSY } from "./buffer-budget.ts";
import { isAbnormal } from "./close-codes.ts";
import type { HostShell, Live } from "./host-shell.ts";
import type { SessionHost } from "./session-host.ts";
import { SessionLimits } from "./session-limits.ts";
import { SessionReports } from "./session-reports.ts";
import { attach, attachmentOf, closeQuietly, closeUnheard, randomText, turnAway, type SocketAttachment } from "./socket-io.ts";

/** A connection without a hello is closed after that. */
const HELLO_MS_MAX = RESUME.unconfirmedMsMax;

export class DeviceSide {
  readonly #host: SessionHost;
  readonly #shell: HostShell;
  readonly #limits: SessionLimits;
  readonly #reports: SessionReports;

  constructor(host: SessionHost, shell: HostShell) {
    this.#host = host;
    this.#shell = shell;
    this.#limits = new SessionLimits(host);
    this.#reports = new SessionReports(shell, this.#limits);
  }

  /** Lets a connection in, which brings a session or, where its id is empty, none. An alarm sees whether it says hello, and when its time is up. */
  accept(attachment: SocketAttachment): WebSocket {
    const { ctx, alarm } = this.#shell;
    const { 0: client, 1: device } = new WebSocketPair();
    ctx.acceptWebSocket(device, attachment.sessionId === "" ? [] : [attachment.sessionId]);
    attach(device, attachment);
    alarm.wakeAt(Math.min(attachment.acceptedAtMs + HELLO_MS_MAX, this.#limits.firstLookAtMs(attachment)));
    return client;
  }

  onMessage(socket: WebSocket, data: string | ArrayBuffer): void {
    const attachment = attachmentOf(socket);
    const frame = decodeDeviceFrame(data);
    if (attachment.attempt === null) return this.#onHello(socket, attachment, frame);
    const live = this.#host.load(attachment.sessionId);
    if (live === undefined) return turnAway(socket, this.#shell.store.movedTo(attachment.sessionId) !== null);
    // Of a connection that was given up, or for a newer one: what it brings late is not held against that one, nor against the session.
    if (attachment.attempt !== live.state.attempt || live.state.detachedAtMs !== null) return;
    const breach = this.#limits.breachOf(live, frame, attachment);
    if (breach !== null) return this.#host.step(live, [{ kind: "fail", why: "policy", ...breach }], socket);
    if (frame.type === "report") return this.#reports.take(live, frame, socket);
    if (frame.type === "message" && !this.#host.budget.hasRoom(frame.payload.length)) return this.#putOff(live, socket);
    const random = isTokenOld(live.state, Date.now()) ? randomText() : "";
    this.#host.step(live, [{ kind: "frame", attempt: attachment.attempt, frame, random }], socket);
  }

  onClose(socket: WebSocket, code: number): void {
    const { sessionId, attempt } = attachmentOf(socket);
    const live = this.#host.load(sessionId);
    // What came before the close is the endpoint's before the session may be over.
    live?.leg.flush();
    if (live !== undefined && attempt !== null) {
      this.#host.step(live, [{ kind: "dropped", attempt, isFinal: code === NORMAL }]);
      this.#host.outflow.leave(live, attempt);
    } else if (live !== undefined) this.#endUnheard(live);
    // A close from the peer is answered; workerd leaves that to us.
    if (!isAbnormal(code)) closeQuietly(socket, { code, reason: "" });
  }

  onTooLarge(socket: WebSocket): void {
    const { sessionId, attempt } = attachmentOf(socket);
    const live = this.#host.load(sessionId);
    // The session's own connection, or the only one that it ever had.
    if (live?.state.attempt === (attempt ?? 0)) this.#host.step(live, [{ kind: "fail", why: "policy", ...TOO_LARGE }]);
  }

  /** Closes connections that said no hello, or whose time is up. */
  onAlarm(nowMs: number): void {
    const { ctx, alarm } = this.#shell;
    const sockets = ctx.getWebSockets();
    alarm.wakeAt(closeUnheard(sockets, { nowMs, helloMsMax: HELLO_MS_MAX }));
    alarm.wakeAt(this.#limits.onAlarm(sockets, nowMs));
  }

  #onHello(socket: WebSocket, attachment: SocketAttachment, frame: DeviceFrame | FrameFault): void {
    const live = this.#host.load(attachment.sessionId);
    if (frame.type !== "hello") {
      if (live !== undefined) this.#endUnheard(live);
      return closeQuietly(socket, { code: PROTOCOL_ERROR, reason: "the first frame is no hello" });
    }
    // It was here when the connection was let in: it may have gone, and have come back as what may be a copy only.
    const isTentative = live?.route.isTentative === true;
    if (live === undefined || isTentative) return turnAway(socket, isTentative || this.#shell.store.movedTo(attachment.sessionId) !== null);
    // Before the step: its effects are for this socket. Not where it cannot become the session's, whose socket is another.
    const mayAttach = frame.attempt > live.state.attempt;
    if (mayAttach) attach(socket, { ...attachment, attempt: frame.attempt });
    const terms = mayAttach ? this.#limits.begin(live, attachment) : {};
    this.#host.step(live, [{ kind: "hello", secret: attachment.secret, hello: frame, random: randomText(), terms }], socket);
    if (mayAttach && live.state.attempt !== frame.attempt) attach(socket, attachment);
    if (live.state.detachedAtMs === null) this.#host.wake(live);
  }

  /** The device has the message still, and sends it again with its next connection. */
  #putOff(live: Live, socket: WebSocket): void {
    this.#host.step(live, [{ kind: "dropped", attempt: live.state.attempt, isFinal: false }]);
    closeQuietly(socket, BUSY);
  }

  /** A new session whose only connection brought no hello: nobody was told of it, so nobody can resume it. */
  #endUnheard(live: Live): void {
    if (live.state.attempt === 0) this.#host.step(live, [{ kind: "fail", why: "policy", code: POLICY, reason: "no hello" }]);
  }
}
