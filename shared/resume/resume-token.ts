// A resume token: which Shard object has the session, which session, and a secret that only its device was told.
// The Shard object is the one that checks it; the edge reads from it where to ask.

export interface ResumeToken {
  readonly shardId: string;
  readonly sessionId: string;
  readonly secret: string;
}

/** Tokens that open a session: the one in use, and its successor that the device may not have received. */
export interface TokenPair {
  readonly current: string;
  readonly next: string | null;
}

/** How it is presented at an upgrade, beside `tidegate.v1`. */
export const RESUME_PROTOCOL_PREFIX = "tidegate.resume.";
/** Every character may stand in a subprotocol (RFC 9110 §5.6.2). */
const PATTERN = /^([a-z][a-z0-9-]{0,62}-[1-9]\d{0,8})\.([\w-]{16,64})\.([\w-]{22,64})$/;

export function formatResumeToken({ shardId, sessionId, secret }: ResumeToken): string {
  return `${shardId}.${sessionId}.${secret}`;
}

export function parseResumeToken(text: string): ResumeToken | null {
  const [, shardId, sessionId, secret] = PATTERN.exec(text) ?? [];
  return shardId === undefined || sessionId === undefined || secret === undefined ? null : { shardId, sessionId, secret };
}

/**
 * The pair after `secret` was presented: the successor takes over when it is used, and only then is the old one worth
 * nothing, so a rotation that was lost locks nobody out. Null: it opens nothing.
 */
export function useToken(pair: TokenPair, secret: string): TokenPair | null {
  // Both are compared whole, so that the time tells nothing.
  const isCurrent = isSame(pair.current, secret);
  const isNext = isSame(pair.next ?? "", secret);
  if (isNext) return { current: secret, next: null };
  return isCurrent ? pair : null;
}

function isSame(known: string, presented: string): boolean {
  if (known.length !== presented.length || known === "") return false;
  let difference = 0;
  for (let index = 0; index < known.length; index += 1) difference |= known.charCodeAt(index) ^ presented.charCodeAt(index);
  return difference === 0;
}
