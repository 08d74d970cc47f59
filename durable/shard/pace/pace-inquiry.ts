// When a Shard object asks its pool what holds for flows whose messages pass there: what an operator limits, or limits no more, while their
// sockets are open. Pure; times are the object's. Only what passes asks, so an object whose devices are silent does nothing (decisions/0143).
import { KIB_BYTES, MINUTE_MS, SECOND_MS } from "#shared/units.ts";

/** A question comes so long after the one before at the most, while messages pass; three quarters of it at the least. */
export const ASK_MS_MAX = MINUTE_MS;
const JITTER_RATIO = 1 / 4;
/** Where a newer configuration was heard of: so long after the one before. */
const NEWS_MS_MIN = 10 * SECOND_MS;
/** The first of a life comes once so much has passed, which the smallest bandwidth lets go at once, … */
const FIRST_BYTES = 32 * KIB_BYTES;
/** … or messages have taken so long at the endpoint, at once, if a minute has not passed before: an object that wakes for a message asks nothing. */
const FIRST_SPENT_MS = SECOND_MS;
/** Flows of one question; the others are the next one's, which comes sooner. */
const ASKED_FLOWS_MAX = 2_048;
/** That are remembered: more than an object takes sockets. */
const FLOWS_MAX = 32_768;

export interface Inquiry {
  /** The newest configuration that the object has heard of. */
  readonly version: number;
  readonly flows: readonly string[];
}

interface PaceInquiryInput {
  /** ASK_MS_MAX, but for tests. */
  readonly askMsMax: number;
  /** In [0, 1). */
  readonly random: () => number;
}

export class PaceInquiry {
  readonly #input: PaceInquiryInput;
  /** Whose messages have passed since the last question, and between that and the one before. */
  #flows = new Set<string>();
  #flowsBefore: ReadonlySet<string> = new Set();
  #flowLast: string | null = null;
  #version = 0;
  /** Infinity: there was a question. */
  #firstBytes = FIRST_BYTES;
  #bytes = 0;
  #spentMs = 0;
  #askedAtMs = -Infinity;
  /** Null: nothing has passed yet. */
  #dueAtMs: number | null = null;

  constructor(input: PaceInquiryInput) {
    this.#input = input;
  }

  /** The newest that was heard of; 0: none. */
  get version(): number {
    return this.#version;
  }

  /** A message of the flow passes. True: it is time to ask. */
  pass(flow: string, bytes: number, nowMs: number): boolean {
    if (flow !== this.#flowLast) this.#remember(flow);
    this.#bytes += bytes;
    const leftMs = (this.#dueAtMs ??= this.#nextMs(nowMs)) - nowMs;
    // More is left than ever was: the clock was set back.
    return leftMs <= 0 || leftMs > this.#input.askMsMax || this.#bytes >= this.#firstBytes;
  }

  /** A request of messages took so long. True: it is time to ask. */
  spend(ms: number): boolean {
    this.#spentMs += ms;
    return this.#spentMs >= FIRST_SPENT_MS && this.#firstBytes !== Infinity;
  }

  /** What holds here is known as that one has it. */
  know(version: number): void {
    this.#version = version;
  }

  /** A connection, or the pool, has told of it. True: it is time to ask. */
  hear(version: number, nowMs: number): boolean {
    if (version <= this.#version) return false;
    const isNews = this.#version > 0;
    this.#version = version;
    if (!isNews) return false;
    const soonAtMs = Math.max(nowMs, this.#askedAtMs + Math.min(NEWS_MS_MIN, this.#input.askMsMax));
    this.#dueAtMs = Math.min(this.#dueAtMs ?? Infinity, soonAtMs);
    return this.#dueAtMs <= nowMs;
  }

  /** What to ask now, about those too that are `limited` here as far as is known. Null: nothing. Whatever becomes of it, the next one has its time. */
  take(limited: Iterable<string>, nowMs: number): Inquiry | null {
    const all = new Set([...this.#flows, ...this.#flowsBefore, ...limited]);
    if (all.size === 0) {
      this.#dueAtMs = null;
      return null;
    }
    const [asked, later] = [[...this.#flows].slice(0, ASKED_FLOWS_MAX), [...this.#flows].slice(ASKED_FLOWS_MAX)];
    this.#flowsBefore = new Set(asked);
    this.#flows = new Set(later);
    this.#flowLast = null;
    this.#firstBytes = Infinity;
    this.#askedAtMs = nowMs;
    this.#dueAtMs = later.length === 0 ? this.#nextMs(nowMs) : nowMs + Math.min(NEWS_MS_MIN, this.#input.askMsMax);
    return { version: this.#version, flows: [...all].slice(0, ASKED_FLOWS_MAX) };
  }

  #remember(flow: string): void {
    this.#flowLast = flow;
    if (this.#flows.size < FLOWS_MAX) this.#flows.add(flow);
  }

  #nextMs(nowMs: number): number {
    return nowMs + this.#input.askMsMax * (1 - JITTER_RATIO * this.#input.random());
  }
}
