// What the device of one plain socket over HTTP says to its endpoint: held back as its flow is limited, then one request after another,
// each once and in order.
import type { SocketEvent } from "#shared/protocol/websocket-events.ts";
import { RESUME } from "#shared/resume/bounds.ts";
import { MIB_BYTES } from "#shared/units.ts";
import type { PostAnswer } from "./event-post.ts";
import { PlainLane, type PlainOwner, type PlainPace } from "./plain-lane.ts";
import { PlainMemory } from "./plain-memory.ts";
import type { Close } from "./socket-io.ts";

/** Of messages that wait for the endpoint, of all plain sockets of a Shard object. */
const QUEUED_BYTES_MAX = 16 * MIB_BYTES;
/** Of one request. */
const BATCH_COUNT_MAX = 64;
const TRY_LATER = { code: 1013, reason: "endpoint-slow" } as const;

/** Of all plain sockets of a Shard object together. */
export interface QueuedBytes {
  bytes: number;
}

interface InflowShell extends PlainPace {
  readonly ctx: Pick<DurableObjectState, "waitUntil">;
  readonly queued: QueuedBytes;
  readonly post: (events: readonly SocketEvent[]) => Promise<PostAnswer>;
  /** What the endpoint answered. Null: it goes on; else nothing more is sent, and its end is seen to. */
  readonly onAnswer: (answer: PostAnswer) => Promise<void> | null;
  /** The last that is to be sent; the end is among it. */
  readonly onLast: (events: readonly SocketEvent[]) => Promise<void>;
}

export class PlainInflow {
  readonly #shell: InflowShell;
  readonly #memory: PlainMemory;
  /** What may not go to the endpoint yet … */
  readonly #lane: PlainLane;
  /** … and what may. */
  readonly #queue: SocketEvent[] = [];
  #queuedBytes = 0;
  #isPosting = false;
  #isOver = false;

  constructor(owner: PlainOwner, shell: InflowShell) {
    this.#shell = shell;
    this.#memory = new PlainMemory(owner);
    this.#lane = new PlainLane(owner, "endpoint", shell);
  }

  /** Its end is on the way to the endpoint, or came from there: nothing more follows. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Null: it goes, or waits. Else what the socket is closed with, for which more waits than may. */
  send(data: string | ArrayBuffer): Close | null {
    const event: SocketEvent = typeof data === "string" ? { type: "TEXT", text: data } : { type: "BINARY", content: new Uint8Array(data) };
    const bytes = bytesOf(event);
    const isFull = this.#queue.length >= RESUME.windowCountMax || this.#queuedBytes + bytes > RESUME.windowBytesMax;
    if (isFull || this.#shell.queued.bytes + bytes > QUEUED_BYTES_MAX) return TRY_LATER;
    const breach = this.#memory.take(event);
    if (breach !== null) return breach;
    return this.#lane.send(data, () => this.#enqueue(event)) ? null : this.#lane.breach;
  }

  /** Its end, after what waits. */
  finish(end: SocketEvent): void {
    void this.#lane.finish(() => this.#enqueue(end));
  }

  /** Its end, in place of what waits. */
  cut(end: SocketEvent): void {
    this.#lane.clear();
    this.clear();
    this.#enqueue(end);
  }

  /** The endpoint has ended it. */
  stop(): void {
    this.#isOver = true;
    this.#lane.clear();
  }

  /** What may go does not go. */
  clear(): void {
    this.#shell.queued.bytes -= this.#queuedBytes;
    this.#queuedBytes = 0;
    this.#queue.length = 0;
  }

  #enqueue(event: SocketEvent): void {
    if (this.#isOver) return;
    this.#isOver = isEnd(event);
    const bytes = bytesOf(event);
    this.#queue.push(event);
    this.#queuedBytes += bytes;
    this.#shell.queued.bytes += bytes;
    if (!this.#isPosting) this.#shell.ctx.waitUntil(this.#postAll());
  }

  async #postAll(): Promise<void> {
    const { queued, post, onAnswer, onLast } = this.#shell;
    this.#isPosting = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, BATCH_COUNT_MAX);
      const bytes = batch.reduce((sum, event) => sum + bytesOf(event), 0);
      this.#queuedBytes -= bytes;
      if (batch.some(isEnd)) {
        await onLast(batch);
        queued.bytes -= bytes;
        return;
      }
      const answer = await post(batch);
      queued.bytes -= bytes;
      this.#memory.free(batch);
      const over = onAnswer(answer);
      if (over !== null) return over;
    }
    this.#isPosting = false;
  }
}

export function isEnd({ type }: SocketEvent): boolean {
  return type === "CLOSE" || type === "DISCONNECT";
}

function bytesOf(event: SocketEvent): number {
  return event.type === "TEXT" ? event.text.length : event.type === "BINARY" ? event.content.length : 0;
}
