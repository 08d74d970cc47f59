// Topics: names under which sockets of one tenant at one service are pushed to together. Plain data: it crosses RPC.

export const TOPICS = {
  /** Characters of a name. */
  lengthMax: 256,
  /** Of one session, or plain socket. */
  perSocketMax: 64,
  /** Subscriptions in one Shard object. */
  perShardMax: 100_000,
} as const;

/** Any text but control characters and halves of surrogate pairs, which SQLite would not give back as they were. */
const TOPIC_PATTERN = /^[^\p{Cc}\p{Cs}]+$/u;

export function isTopic(value: unknown): value is string {
  return typeof value === "string" && value.length <= TOPICS.lengthMax && TOPIC_PATTERN.test(value);
}

export interface TopicChange {
  readonly kind: "subscribe" | "unsubscribe";
  readonly topic: string;
}

/** For the sockets that a device of a tenant has now. */
export interface TopicRequest {
  readonly tenant: string;
  readonly device: string;
  readonly changes: readonly TopicChange[];
}

export interface TopicAnswer {
  /** Sockets that are subscribed as asked. */
  readonly sockets: number;
  /** Sockets that are not: they have as many topics as one may, or their shard has. Nothing of theirs was changed. */
  readonly full: number;
}
