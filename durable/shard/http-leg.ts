import { BAD_UPSTREAM, NO_STATUS } from "#shared/protocol/close-codes.ts";
import { readGrip } from "#shared/protocol/grip.ts";
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { payloadBytes, type End, type Message } from "#shared/resume/frames.ts";
import type { GatewayInput } from "#shared/resume/step-gateway.ts";
import { translateClose } from "./close-codes.ts";
import { postEvents, type PostAnswer } from "./event-post.ts";
import { RETRY_WAITS_MS, type Leg, type LegInput } from "./leg.ts";
import { isEnd } from "./plain-inflow.ts";
import type { PostPermits } from "./post-permits.ts";
import type { SessionRoute } from "./session-store.ts";

/** Messages of one request; more wait for the next one. */
const BATCH_COUNT_MAX = 64;

/** Told how long each request for a flow's sockets took, from its sending to the end of its answer. */
export type SpendTime = (flow: string, ms: number) => void;

interface HttpLegShell {
  /** Of all sessions of the Shard object. */
  readonly permits: PostPermits;
  readonly spend: SpendTime;
}

/**
 * Events over HTTP, one request at a time: at least once, in order. Between two requests nothing keeps the object awake.
 *
 * What a device sent before it closed goes before its close is told, each request once and begun no later than the farewell itself may wait; what
 * does not reach the endpoint is named in the log, and was never acknowledged. Of a session that ends for another reason nothing more is sent.
 */
export class HttpLeg implements Leg {
  readonly #input: LegInput;
  readonly #shell: HttpLegShell;
  readonly #queue: Message[] = [];
  #posting: Promise<void> | null = null;
  /** Of the request under way, or the last one. */
  #aborter: AbortController | undefined;
  /** Before the next attempt. */
  #wakeUp: (() => void) | undefined;
  #hasStopped = false;
  /** The endpoint ended it, or did not take what came before: it is sent no more, though its session hears of that only in the turn that comes. */
  #isClosed = false;
  /** Its device closed then, and what it said before is being sent. */
  #lastSinceMs: number | null = null;

  constructor(input: LegInput, shell: HttpLegShell) {
    this.#input = input;
    this.#shell = shell;
  }

  deliver(message: Message): void {
    this.#queue.push(message);
    if (this.#posting === null && this.#queue.length === 1) this.#input.events.afterSave(() => this.flush());
  }

  flush(): void {
    if (this.#posting === null && this.#queue.length > 0 && !this.#hasStopped && !this.#isClosed)
      this.#input.events.waitUntil(this.#post());
  }

  wake(): void {
    // Each request is a connection of its own.
  }

  stop({ why, code, reason }: Pick<End, "why" | "code" | "reason">): void {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    const close: SocketEvent = { type: "CLOSE", code: code === NO_STATUS ? null : code, reason };
    const event: SocketEvent = why === "closed" ? close : { type: "DISCONNECT" };
    const endedAtMs = Date.now();
    const { waitUntil } = this.#input.events;
    if (why !== "closed" || this.#isClosed || this.#queue.length === 0) {
      this.#queue.length = 0;
      return waitUntil(this.#tell(event, endedAtMs));
    }
    this.#lastSinceMs = endedAtMs;
    const posting = this.#posting ?? this.#post();
    waitUntil(posting.then(async () => this.#tell(event, Date.now())));
  }

  async emptied(): Promise<void> {
    await this.#posting;
  }

  leave(): null {
    // The request under way is not waited for: it is broken off, and the next shard asks it again, at least once.
    return null;
  }

  abandon(): void {
    this.#hasStopped = true;
    this.#queue.length = 0;
    this.#aborter?.abort();
    this.#wakeUp?.();
  }

  async #tell(event: SocketEvent, sinceMs: number): Promise<void> {
    const { sessionId, route } = this.#input;
    const { permits, spend } = this.#shell;
    const tell = async (): Promise<void> => {
      // Told once: an endpoint that misses it forgets the session in its own time.
      if (Date.now() - sinceMs < route.deadlineMs) await post(route, { sessionId, events: [event], spend });
    };
    await permits.run(tell, "farewell");
  }

  /** Nothing more of it is sent. */
  get #isOver(): boolean {
    return this.#hasStopped && (this.#lastSinceMs === null || Date.now() - this.#lastSinceMs >= this.#input.route.deadlineMs);
  }

  async #post(): Promise<void> {
    this.#posting = this.#postAll();
    await this.#posting;
    this.#posting = null;
    this.#nameLost();
    // What came after the last look, and before this was over.
    this.flush();
  }

  async #postAll(): Promise<void> {
    while (this.#queue.length > 0 && !this.#isOver && !this.#isClosed) {
      const batch = takeBatch(this.#queue);
      const answer = await this.#postBatch(batch);
      if (this.#hasStopped && (this.#lastSinceMs === null || !answer.ok)) return;
      this.#queue.splice(0, batch.length);
      // Of a session that is over nobody hears the answer.
      if (!this.#hasStopped) this.#onAnswer(batch, answer);
    }
  }

  #nameLost(): void {
    if (this.#lastSinceMs === null || this.#queue.length === 0) return;
    const { sessionId, route } = this.#input;
    const lost = { service: route.service, session: sessionId, count: this.#queue.length };
    console.warn(JSON.stringify({ level: "warn", event: "messages-lost", ...lost }));
    this.#queue.length = 0;
  }

  async #postBatch(batch: readonly Message[]): Promise<PostAnswer> {
    const { sessionId, route, events } = this.#input;
    const { permits, spend } = this.#shell;
    const first = batch[0]?.sequence ?? 0;
    for (let attempt = 0; ; attempt += 1) {
      const answer = await permits.run(async (): Promise<PostAnswer> => {
        if (this.#isOver) return { ok: false, isFinal: true, detail: "the session is over", silence: null };
        this.#aborter = new AbortController();
        return post(route, { sessionId, events: batch.map(eventOf), first, confirmed: events.received(), spend, aborter: this.#aborter });
      });
      const waitMs = RETRY_WAITS_MS[attempt];
      if (answer.ok || answer.isFinal || waitMs === undefined || this.#hasStopped) return answer;
      await new Promise<void>((resolve) => {
        this.#wakeUp = resolve;
        setTimeout(resolve, waitMs);
      });
    }
  }

  #onAnswer(batch: readonly Message[], answer: PostAnswer): void {
    const { events } = this.#input;
    if (!answer.ok) {
      this.#isClosed = true;
      return events.failed(answer.detail);
    }
    const { said, end } = readEnd(answer.events);
    this.#isClosed = end !== null;
    events.answered(batch.at(-1)?.sequence ?? 0, readGrip(said, this.#input.route.messagePrefix ?? null));
    if (end?.kind === "close") events.closed(end);
    if (end?.kind === "fail") events.failed(end.reason);
  }
}

/** How an endpoint's answer ends its session; null: it does not. What it said before counts, what comes after does not. */
export type AnswerEnd = Extract<GatewayInput, { kind: "close" | "fail" }> | null;

export function readEnd(events: readonly SocketEvent[]): { readonly said: readonly SocketEvent[]; readonly end: AnswerEnd } {
  const last = events.find(isEnd);
  if (last === undefined) return { said: events, end: null };
  const said = events.slice(0, events.indexOf(last));
  if (last.type !== "CLOSE")
    return { said, end: { kind: "fail", why: "endpoint", code: BAD_UPSTREAM, reason: "the endpoint disconnected" } };
  // What the endpoint names may be no code that can be sent.
  const { code = NO_STATUS, reason } = translateClose("endpoint", { code: last.code ?? NO_STATUS, reason: last.reason });
  return { said, end: { kind: "close", code, reason } };
}

/** One request of a plain socket: whatever becomes of it, it is not repeated. */
export async function postOnce(
  route: SessionRoute,
  socketId: string,
  { events, spend }: { readonly events: readonly SocketEvent[]; readonly spend: SpendTime },
): Promise<PostAnswer> {
  return post(route, { sessionId: socketId, events, isPlain: true, spend });
}

interface Post {
  readonly sessionId: string;
  readonly events: readonly SocketEvent[];
  readonly spend: SpendTime;
  readonly first?: number;
  readonly confirmed?: number;
  /** Its device may have offered subprotocols, of which the endpoint selects one. */
  readonly isPlain?: boolean;
  /** Other than the route's. */
  readonly deadlineMs?: number;
  readonly aborter?: AbortController;
}

export async function post(
  route: SessionRoute,
  { sessionId, events, spend, first, confirmed, isPlain = false, deadlineMs = route.deadlineMs, aborter }: Post,
): Promise<PostAnswer> {
  const headers = new Headers(route.headers.map(([name, value]): [string, string] => [name, value]));
  for (const name of isPlain ? ["upgrade"] : ["sec-websocket-protocol", "upgrade"]) headers.delete(name);
  headers.set("connection-id", sessionId);
  // Spoken here, where the endpoint wants it.
  headers.set("sec-websocket-extensions", "grip");
  if (!isPlain) headers.set("tidegate-session", sessionId);
  if (first !== undefined) headers.set("tidegate-sequence", String(first));
  if (confirmed !== undefined) headers.set("tidegate-confirmed", String(confirmed));
  const startedAtMs = Date.now();
  const { upstreamUrl, messagePrefix } = route;
  const answer = await postEvents({ upstreamUrl, headers, events, deadlineMs, markBytes: messagePrefix?.length ?? 0, aborter });
  spend(route.flow, Date.now() - startedAtMs);
  return answer;
}

function takeBatch(queue: readonly Message[]): readonly Message[] {
  let bytes = 0;
  const count = queue.slice(0, BATCH_COUNT_MAX).findIndex(({ payload }) => (bytes += payloadBytes(payload)) > RESUME.messageBytesMax);
  return count === -1 ? queue.slice(0, BATCH_COUNT_MAX) : queue.slice(0, Math.max(1, count));
}

function eventOf({ payload }: Message): SocketEvent {
  return typeof payload === "string" ? { type: "TEXT", text: payload } : { type: "BINARY", content: payload };
}
