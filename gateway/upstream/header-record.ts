/**
 * Headers by lower-case name, as fetch() takes them: every call of a Headers object crosses into the runtime, at a microsecond
 * or two. It has no prototype: a header may be called `__proto__`.
 */
export type HeaderRecord = Record<string, string>;

export function emptyHeaders(): HeaderRecord {
  return Object.create(null) as HeaderRecord;
}
