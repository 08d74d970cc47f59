/**
 * Headers by lower-case name, as fetch() takes them: every call of a Headers object crosses into the runtime, at a microsecond
 * or two. Nothing is inherited from Object: a header may be called `__proto__`.
 */
export type HeaderRecord = Record<string, string>;

/** An empty record. With a prototype of its own, itself without one, V8 keeps it out of the slow form that `Object.create(null)` has. */
export const EmptyHeaders = function EmptyHeaders() {
  // Nothing: names are added by those who read them.
} as unknown as new () => HeaderRecord;
EmptyHeaders.prototype = Object.freeze(Object.create(null) as object);
