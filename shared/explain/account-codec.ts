// An account as bytes, at most ACCOUNT_BYTES_MAX whatever it says: numbers are clamped, names are cut, and a cut one
// brings a hash along by which the operator's configuration gives the rest back.
//
//   version · flags · time (6) · request id: holder (10), count · outcome · place · elapsed · configuration version
//   [retry after] [urgency, service, tenant, class, device] [queue: 3] [lease: 4] violated: count, then 5 each
import { DECISION_PLACES, type RefusalOutcome } from "../errors/outcomes.ts";
import type { QuotaState } from "../protocol/quota-state.ts";
import { QUOTA_KINDS } from "../protocol/quota-state.ts";
import { fnv1a } from "../fnv1a.ts";
import { VIOLATED_MAX, type Account, type AccountIdentifier, type AccountName } from "./account.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

export const ACCOUNT_BYTES_MAX = 133;
const VERSION = 1;
const HAS = { retryAfter: 1, identifier: 2, queue: 4, lease: 8 } as const;
const HOLDER_BYTES = 10;
const HASH_BYTES = 4;
const IS_CUT = 0x80;

/** By number on the wire: appended to, never reordered. */
const OUTCOMES: readonly RefusalOutcome[] = [
  "rejected-quota",
  "rejected-capacity",
  "rejected-queue-full",
  "expired-in-queue",
  "no-endpoint",
  "unauthorized",
  "forbidden",
  "bad-identifier",
  "unknown-service",
  "unknown-route",
  "wrong-method",
  "upgrade-required",
  "headers-too-large",
  "body-too-large",
  "body-aborted",
  "cancelled",
  "bad-configuration",
  "internal",
  "upstream-timeout",
  "upstream-failed",
  "bad-instance",
  "bad-request",
];

export function encodeAccount(account: Account): Uint8Array<ArrayBuffer> {
  const { retryAfterMs, identifier, queue, lease } = account;
  const violated = account.violated.slice(0, VIOLATED_MAX);
  const writer = new ByteWriter();
  writer.byte(VERSION);
  writer.byte(
    (retryAfterMs === undefined ? 0 : HAS.retryAfter) |
      (identifier === undefined ? 0 : HAS.identifier) |
      (queue === undefined ? 0 : HAS.queue) |
      (lease === undefined ? 0 : HAS.lease),
  );
  writer.fixed(account.atMs, 6);
  writeRequestId(writer, account.requestId);
  writer.byte(OUTCOMES.indexOf(account.outcome));
  writer.byte(DECISION_PLACES.indexOf(account.decidedBy));
  writer.count(account.elapsedMs, 4);
  writer.count(account.configurationVersion, 4);
  if (retryAfterMs !== undefined) writer.count(retryAfterMs, 4);
  if (queue !== undefined) writeCounts(writer, [queue.position, queue.length, queue.waitMs], 4);
  if (lease !== undefined) writeCounts(writer, [lease.slots, lease.running, lease.tokens, lease.expiresInMs], 4);
  writer.byte(violated.length);
  for (const state of violated) writeState(writer, state);
  if (identifier !== undefined) writeIdentifier(writer, identifier);
  return writer.take();
}

/** Throws RangeError for bytes that are no account of this version. */
export function decodeAccount(bytes: Uint8Array): Account {
  const reader = new ByteReader(bytes);
  const version = reader.byte();
  if (version !== VERSION) throw new RangeError(`the account is of version ${version}, expected ${VERSION}`);
  const flags = reader.byte();
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const atMs = reader.fixed(6);
  const requestId = readRequestId(reader);
  const outcome = at(OUTCOMES, reader.byte());
  const decidedBy = at(DECISION_PLACES, reader.byte());
  const elapsedMs = reader.count();
  const configurationVersion = reader.count();
  const retryAfter = has(HAS.retryAfter) ? { retryAfterMs: reader.count() } : {};
  const queue = has(HAS.queue) ? { queue: { position: reader.count(), length: reader.count(), waitMs: reader.count() } } : {};
  const lease = has(HAS.lease)
    ? { lease: { slots: reader.count(), running: reader.count(), tokens: reader.count(), expiresInMs: reader.count() } }
    : {};
  const violated = Array.from({ length: Math.min(reader.byte(), VIOLATED_MAX) }, () => readState(reader));
  const identifier = has(HAS.identifier) ? { identifier: readIdentifier(reader) } : {};
  if (!reader.isAtEnd) throw new RangeError("the account goes on after its end");
  return {
    requestId,
    atMs,
    outcome,
    decidedBy,
    elapsedMs,
    configurationVersion,
    ...retryAfter,
    ...identifier,
    ...queue,
    ...lease,
    violated,
  };
}

function writeRequestId(writer: ByteWriter, requestId: string): void {
  const [holder = "", count = ""] = requestId.split("-");
  for (let index = 0; index < HOLDER_BYTES; index += 1) writer.byte(Number.parseInt(holder.slice(2 * index, 2 * index + 2), 16));
  writer.count(Number.parseInt(count, 36), 7);
}

function readRequestId(reader: ByteReader): string {
  const holder = Array.from({ length: HOLDER_BYTES }, () => reader.byte().toString(16).padStart(2, "0")).join("");
  return `${holder}-${reader.count().toString(36)}`;
}

function writeCounts(writer: ByteWriter, counts: readonly number[], byteCountMax: number): void {
  for (const count of counts) writer.count(count, byteCountMax);
}

/** A window or reset of none is written as 0, another as itself and one. */
function writeState(writer: ByteWriter, { kind, quota, windowMs, remaining, resetAfterMs }: QuotaState): void {
  writer.byte(QUOTA_KINDS.indexOf(kind));
  writer.count(quota, 7);
  writer.count(remaining, 7);
  writer.count(windowMs === undefined ? 0 : windowMs + 1, 4);
  writer.count(resetAfterMs === undefined ? 0 : resetAfterMs + 1, 4);
}

function readState(reader: ByteReader): QuotaState {
  const kind = at(QUOTA_KINDS, reader.byte());
  const [quota, remaining, window, reset] = [reader.count(), reader.count(), reader.count(), reader.count()];
  return { kind, quota, remaining, ...(window === 0 ? {} : { windowMs: window - 1 }), ...(reset === 0 ? {} : { resetAfterMs: reset - 1 }) };
}

function writeIdentifier(writer: ByteWriter, { urgency, service, tenant, className, device }: AccountIdentifier): void {
  writer.byte(urgency);
  const names = [service, tenant, className, device];
  const kept = keptLength(names, ACCOUNT_BYTES_MAX - writer.length - names.length);
  for (const name of names) writeName(writer, name, kept);
}

/** How many characters of a cut name there is room for. */
function keptLength(names: readonly AccountName[], bytesMax: number): number {
  const bytesAt = (kept: number): number => names.reduce((sum, name) => sum + Math.min(lengthOf(name), kept + HASH_BYTES), 0);
  let kept = IS_CUT - 1 - HASH_BYTES;
  while (kept > 0 && bytesAt(kept) > bytesMax) kept -= 1;
  return kept;
}

function writeName(writer: ByteWriter, name: AccountName, kept: number): void {
  if (typeof name === "string" && name.length <= kept + HASH_BYTES) {
    writer.byte(name.length);
    writer.ascii(name);
    return;
  }
  const { prefix, hash } = typeof name === "string" ? { prefix: name, hash: fnv1a(name) } : name;
  const start = prefix.slice(0, kept);
  writer.byte(IS_CUT | start.length);
  writer.ascii(start);
  writer.fixed(hash, HASH_BYTES);
}

function readIdentifier(reader: ByteReader): AccountIdentifier {
  return {
    urgency: reader.byte(),
    service: readName(reader),
    tenant: readName(reader),
    className: readName(reader),
    device: readName(reader),
  };
}

function readName(reader: ByteReader): AccountName {
  const head = reader.byte();
  const text = reader.ascii(head & ~IS_CUT);
  return (head & IS_CUT) === 0 ? text : { prefix: text, hash: reader.fixed(HASH_BYTES) };
}

function lengthOf(name: AccountName): number {
  return typeof name === "string" ? name.length : name.prefix.length + HASH_BYTES;
}

function at<T>(table: readonly T[], index: number): T {
  const value = table[index];
  if (value === undefined) throw new RangeError(`the account names number ${index} of a table of ${table.length}`);
  return value;
}
