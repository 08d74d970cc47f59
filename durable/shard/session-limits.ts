// What the device of a session is held to: how much it may send, and how long a connection of its may last.
import { DEVICE_REPORT } from "#shared/protocol/device-report.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { payloadBytes, type DeviceFrame, type FrameFault, type Terms } from "#shared/resume/frames.ts";
import { SECOND_MS } from "#shared/units.ts";
import { endOfTime, IDLE, NO_TERMS, TOO_LARGE, TOO_MANY, type Breach } from "./breach.ts";
import type { Live } from "./host-shell.ts";
import { MessageRate } from "./message-rate.ts";
import type { SessionHost } from "./session-host.ts";
import { attach, attachmentOf, closeQuietly, type SocketAttachment } from "./socket-io.ts";

/** Frames that are no messages: a device acknowledges every 32 messages or 200 ms. */
const CONTROL_RATE = { perSecond: 1_000, burst: 1_000 };
/** A device is told so long before its connection ends, or half its time before, and comes back meanwhile. */
const NOTICE_MS = 30 * SECOND_MS;

interface Rates {
  readonly messages: MessageRate | null;
  readonly control: MessageRate;
  reportedAtMs: number;
}

export class SessionLimits {
  readonly #host: SessionHost;
  /** By the session as it is in memory. */
  readonly #rates = new WeakMap<Live, Rates>();

  constructor(host: SessionHost) {
    this.#host = host;
  }

  /** Null: it may pass. */
  breachOf(live: Live, frame: DeviceFrame | FrameFault, { terms = NO_TERMS }: SocketAttachment): Breach | null {
    const { messages, control } = this.#ratesOf(live, terms.limits);
    const nowMs = Date.now();
    if (frame.type === "fault") return frame.isTooLarge === true ? TOO_LARGE : null;
    if (frame.type !== "message") return control.take(nowMs) ? null : TOO_MANY;
    const messageBytesMax = Math.min(terms.limits.messageBytesMax, live.state.windowBytes ?? Infinity);
    // A unit of a string is at most three bytes.
    const isSmall = frame.payload.length * 3 <= messageBytesMax || messageBytesMax >= RESUME.messageBytesMax;
    if (!isSmall && payloadBytes(frame.payload) > messageBytesMax) return TOO_LARGE;
    return messages === null || messages.take(nowMs) ? null : TOO_MANY;
  }

  /** A new connection: what it is told that it may, and what was sent on the last one counts no more. */
  begin(live: Live, { terms = NO_TERMS }: SocketAttachment): Terms {
    this.#rates.delete(live);
    const { messagesPerSecond: perSecond, messageBurst: burst } = terms.limits;
    return { ...(perSecond === null ? {} : { rate: { perSecond, burst } }), reportMs: DEVICE_REPORT.intervalMsMin };
  }

  /** Whether its device's report is far enough from the last one. */
  mayReport(live: Live, { terms = NO_TERMS }: SocketAttachment): boolean {
    const rates = this.#ratesOf(live, terms.limits);
    const nowMs = Date.now();
    if (nowMs - rates.reportedAtMs < DEVICE_REPORT.intervalMsMin) return false;
    rates.reportedAtMs = nowMs;
    return true;
  }

  /** When a new connection is to be looked at first. */
  firstLookAtMs({ terms = NO_TERMS, acceptedAtMs }: SocketAttachment): number {
    const end = endOfTime(terms, acceptedAtMs);
    const noticeAtMs = end === null ? Infinity : end.atMs - noticeMsOf(end.atMs - acceptedAtMs);
    return Math.min(noticeAtMs, acceptedAtMs + (terms.limits.idleMsMax ?? Infinity));
  }

  /** Tells devices whose time is nearly up, and closes those whose time is. When the next one is; Infinity: never. */
  onAlarm(sockets: readonly WebSocket[], nowMs: number): number {
    let nextAtMs = Infinity;
    for (const socket of sockets) {
      const attachment = attachmentOf(socket);
      const { attempt, sessionId, terms } = attachment;
      if (terms === undefined || attempt === null) continue;
      const live = this.#host.load(sessionId);
      if (live === undefined || live.state.attempt !== attempt || live.state.detachedAtMs !== null) continue;
      nextAtMs = Math.min(nextAtMs, this.#checkTime(live, { socket, nowMs }), this.#checkIdle(live, { socket, nowMs }));
    }
    return nextAtMs;
  }

  /** The session goes on with the device's next connection. */
  #checkTime(live: Live, { socket, nowMs }: { socket: WebSocket; nowMs: number }): number {
    const attachment = attachmentOf(socket);
    const { terms = NO_TERMS, acceptedAtMs, isWarned = false } = attachment;
    const end = endOfTime(terms, acceptedAtMs);
    if (end === null) return Infinity;
    const { attempt } = live.state;
    if (nowMs >= end.atMs) {
      this.#host.step(live, [{ kind: "dropped", attempt, isFinal: false }]);
      closeQuietly(socket, end.breach);
      return Infinity;
    }
    const noticeAtMs = end.atMs - noticeMsOf(end.atMs - acceptedAtMs);
    if (isWarned) return end.atMs;
    if (nowMs < noticeAtMs) return noticeAtMs;
    attach(socket, { ...attachment, isWarned: true });
    this.#host.step(live, [{ kind: "drain", reason: end.breach.reason, graceMs: end.atMs - nowMs }]);
    return end.atMs;
  }

  /** By counts, looked at every half of the limit: so it is over after one to one and a half of it, and no message costs anything. */
  #checkIdle(live: Live, { socket, nowMs }: { socket: WebSocket; nowMs: number }): number {
    const attachment = attachmentOf(socket);
    const { terms = NO_TERMS, acceptedAtMs, idle = { count: 0, sinceMs: acceptedAtMs } } = attachment;
    const { idleMsMax } = terms.limits;
    if (idleMsMax === null || live.state.detachedAtMs !== null) return Infinity;
    // What waits for its endpoint, or its bandwidth, is not silence.
    const isWaiting = live.state.pending.length > 0 || live.outflow?.isEmpty === false;
    const count = live.state.received + live.state.pending.length + live.state.outbound.sent;
    if (isWaiting || count !== idle.count) {
      attach(socket, { ...attachment, idle: { count, sinceMs: nowMs } });
      return nowMs + idleMsMax / 2;
    }
    if (nowMs < idle.sinceMs + idleMsMax) return idle.sinceMs + idleMsMax;
    this.#host.step(live, [{ kind: "fail", why: "policy", ...IDLE }]);
    return Infinity;
  }

  #ratesOf(live: Live, { messagesPerSecond, messageBurst }: NonNullable<SocketAttachment["terms"]>["limits"]): Rates {
    let rates = this.#rates.get(live);
    if (rates === undefined) {
      // A device that keeps to its rate may have a window on the way, or send it again: what arrives at once then is no flood.
      const burst = messageBurst + RESUME.windowCountMax;
      const messages = messagesPerSecond === null ? null : new MessageRate({ perSecond: messagesPerSecond, burst });
      rates = { messages, control: new MessageRate(CONTROL_RATE), reportedAtMs: -Infinity };
      this.#rates.set(live, rates);
    }
    return rates;
  }
}

function noticeMsOf(lifeMs: number): number {
  return Math.min(NOTICE_MS, lifeMs / 2);
}
