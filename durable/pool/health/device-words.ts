// What each device last said of its shard, held against what the devices of its own flow say elsewhere. Pure. A device has one word,
// wherever it is; no other flow's words are part of what is made of it.
import { medianOf, type DeviceWord } from "#shared/protocol/device-report.ts";
import type { HealthSettings } from "./health-settings.ts";

export interface Word {
  readonly shardId: string;
  /** The last that was timed there. */
  readonly latencyMs: number | null;
  /** At `atMs`; halves with time. */
  readonly drops: number;
  /** Reports in a row that were bad beside its flow's elsewhere. */
  readonly badReports: number;
  readonly atMs: number;
}

/** Shards in use → their endpoints. */
export type Lanes = ReadonlyMap<string, string>;

export class DeviceWords {
  readonly #settings: HealthSettings;
  /** Flow → device → its word, the one that was heard longest ago first. */
  readonly #flows = new Map<string, Map<string, Word>>();
  #count = 0;

  constructor(settings: HealthSettings) {
    this.#settings = settings;
  }

  get count(): number {
    return this.#count;
  }

  get flows(): Iterable<readonly [flow: string, words: ReadonlyMap<string, Word>]> {
    return this.#flows;
  }

  /** What the device's word is now; null: it came too soon after the last, or its flow has as many as are kept. */
  hear(shardId: string, said: DeviceWord, { lanes, nowMs }: { lanes: Lanes; nowMs: number }): Word | null {
    const { flow, device } = said;
    const { wordIntervalMsMin, dropsPerReportMax } = this.#settings;
    const known = this.#flows.get(flow)?.get(device);
    if (known === undefined ? !this.#makeRoom(flow, nowMs) : nowMs - known.atMs < wordIntervalMsMin) return null;
    const before = known?.shardId === shardId && this.isFresh(known, nowMs) ? known : undefined;
    const drops = (before === undefined ? 0 : this.dropsOf(before, nowMs)) + Math.min(said.drops, dropsPerReportMax);
    const word = { shardId, latencyMs: said.latencyMs ?? before?.latencyMs ?? null, drops, badReports: 0, atMs: nowMs };
    const badReports = this.#badReports(said, word, { before: before?.badReports ?? 0, lanes });
    this.#put(flow, device, { ...word, badReports });
    return { ...word, badReports };
  }

  /** Those of the flow's on other shards of the same endpoint; where it has none there, on the shards of others. */
  elsewhere(flow: string, shardId: string, { lanes, nowMs }: { lanes: Lanes; nowMs: number }): readonly Word[] {
    const others = [...(this.#flows.get(flow)?.values() ?? [])].filter(
      (word) => word.shardId !== shardId && lanes.has(word.shardId) && this.isFresh(word, nowMs),
    );
    const near = others.filter((word) => lanes.get(word.shardId) === lanes.get(shardId));
    return near.length > 0 ? near : others;
  }

  /** 1: it is worse off there than its flow elsewhere; −1: it is not; 0: it has not said. */
  voteOf({ badReports, latencyMs }: Word): -1 | 0 | 1 {
    if (badReports >= this.#settings.badReportsForVote) return 1;
    return badReports === 0 && latencyMs !== null ? -1 : 0;
  }

  isFresh({ atMs }: Word, nowMs: number): boolean {
    return nowMs - atMs < this.#settings.wordMsMax;
  }

  dropsOf({ drops, atMs }: Word, nowMs: number): number {
    return drops * 2 ** (-Math.max(0, nowMs - atMs) / this.#settings.dropsHalfLifeMs);
  }

  #badReports({ flow, latencyMs }: DeviceWord, word: Word, { before, lanes }: { before: number; lanes: Lanes }): number {
    const { latencyFactor, latencyMarginMs, dropsBad } = this.#settings;
    const elsewhere = this.elsewhere(flow, word.shardId, { lanes, nowMs: word.atMs });
    if (elsewhere.length === 0) return 0;
    const usualMs = medianOf(elsewhere.flatMap((other) => other.latencyMs ?? []));
    const usualDrops = medianOf(elsewhere.map((other) => this.dropsOf(other, word.atMs))) ?? 0;
    const isSlow = latencyMs !== null && usualMs !== null && latencyMs > latencyFactor * usualMs + latencyMarginMs;
    const isDropping = word.drops >= dropsBad && word.drops > 2 * usualDrops;
    if (isSlow || isDropping) return before + 1;
    // One that sent nothing says nothing new.
    return latencyMs === null ? before : 0;
  }

  #put(flow: string, device: string, word: Word): void {
    let words = this.#flows.get(flow);
    if (words === undefined) this.#flows.set(flow, (words = new Map()));
    if (!words.delete(device)) this.#count += 1;
    words.set(device, word);
  }

  /** A flow's first devices are heard for as long as they speak: taking turns, nobody would be heard twice. */
  #makeRoom(flow: string, nowMs: number): boolean {
    const { flowWordsMax, wordsMax } = this.#settings;
    const own = this.#flows.get(flow);
    if (own !== undefined && own.size >= flowWordsMax) return this.#dropOldest(flow, own, nowMs);
    if (this.#count < wordsMax) return true;
    // Whoever says most gives way: no flow can keep the others from being heard.
    const [largest, words] = [...this.#flows].reduce((most, entry) => (entry[1].size > most[1].size ? entry : most));
    return this.#dropOldest(largest, words, words.size > (own?.size ?? 0) + 1 ? Infinity : nowMs);
  }

  /** False: it still counts. */
  #dropOldest(flow: string, words: Map<string, Word>, nowMs: number): boolean {
    const [oldest] = words;
    if (oldest === undefined || this.isFresh(oldest[1], nowMs)) return false;
    words.delete(oldest[0]);
    this.#count -= 1;
    if (words.size === 0) this.#flows.delete(flow);
    return true;
  }
}
