// A service's forecasters as one piece of bytes, little-endian: u32 length of a JSON header · u32 FNV-1a of it · the header · the
// parts' blobs, each in an envelope of its own with a checksum.
import type { EventState } from "./event-uplifts.ts";
import type { HourlyState } from "./hourly-demand.ts";
import type { ForecastBlobRefusal } from "./state-blob.ts";

const FORMAT = 1;
const PART_COUNT = 3;
const HEAD_BYTES = 8;

export type DemandRestoreOutcome = { readonly ok: true } | { readonly ok: false; readonly reason: ForecastBlobRefusal };

export interface HostState {
  /** Of the last observation. */
  readonly lastMs: number | null;
  readonly hourly: HourlyState;
  readonly events: EventState;
}

type Parts = readonly [core: Uint8Array, arrivals: Uint8Array, concurrency: Uint8Array];
type Unpacked =
  | { readonly ok: true; readonly host: HostState; readonly parts: Parts }
  | { readonly ok: false; readonly reason: ForecastBlobRefusal };

export function packState(host: HostState, parts: Parts): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify({ format: FORMAT, lengths: parts.map(({ length }) => length), host }));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, HEAD_BYTES + header.length));
  const head = new DataView(bytes.buffer);
  head.setUint32(0, header.length, true);
  head.setUint32(4, fnv1a(header), true);
  let at = HEAD_BYTES;
  for (const part of [header, ...parts]) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function unpackState(bytes: Uint8Array): Unpacked {
  if (bytes.length < HEAD_BYTES) return { ok: false, reason: "truncated" };
  const head = new DataView(bytes.buffer, bytes.byteOffset);
  const headerBytes = head.getUint32(0, true);
  const text = bytes.subarray(HEAD_BYTES, HEAD_BYTES + headerBytes);
  if (text.length < headerBytes) return { ok: false, reason: "truncated" };
  if (fnv1a(text) !== head.getUint32(4, true)) return { ok: false, reason: "corrupt" };
  const header = parsed(text);
  if (header === null) return { ok: false, reason: "unknown-format" };
  if (header.format !== FORMAT) return { ok: false, reason: "other-version" };
  let at = HEAD_BYTES + headerBytes;
  const parts = header.lengths.map((length) => bytes.subarray(at, (at += length)));
  const [core, arrivals, concurrency] = parts;
  if (core === undefined || arrivals === undefined || concurrency === undefined || parts.length !== PART_COUNT)
    return { ok: false, reason: "corrupt" };
  return at === bytes.length ? { ok: true, host: header.host, parts: [core, arrivals, concurrency] } : { ok: false, reason: "truncated" };
}

function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

interface Header {
  readonly format: number;
  readonly lengths: readonly number[];
  readonly host: HostState;
}

function parsed(bytes: Uint8Array): Header | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return isHeader(value) ? value : null;
  } catch {
    return null;
  }
}

function isHeader(value: unknown): value is Header {
  if (!isRecord(value) || typeof value["format"] !== "number" || !Array.isArray(value["lengths"])) return false;
  const { lengths, host } = value;
  if (!Array.isArray(lengths) || !lengths.every((length) => Number.isSafeInteger(length) && length >= 0) || !isRecord(host)) return false;
  const { lastMs, hourly, events } = host;
  return isNumberOrNull(lastMs) && isHourly(hourly) && isEvents(events);
}

function isHourly(value: unknown): boolean {
  if (!isRecord(value)) return false;
  return isNumberOrNull(value["hour"]) && isNumber(value["sum"]) && isNumber(value["count"]) && isNumberOrNull(value["expectedLog"]);
}

function isEvents(value: unknown): boolean {
  if (!isRecord(value) || !isRecord(value["learned"])) return false;
  const { learned, running } = value;
  if (!isRecord(learned)) return false;
  const isLearned = Object.values(learned).every(
    (uplift) => isRecord(uplift) && ["log", "count", "atMs"].every((key) => isNumber(uplift[key])),
  );
  if (running === null) return isLearned;
  if (!isRecord(running) || typeof running["name"] !== "string") return false;
  return isLearned && ["endMs", "without", "sum", "count"].every((key) => isNumber(running[key]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value);
}

function isNumberOrNull(value: unknown): boolean {
  return value === null || isNumber(value);
}
