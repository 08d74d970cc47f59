/** A bug of ours, never the caller's fault: becomes a 500 with an opaque id. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Stops when something that must hold does not. `what` names the broken promise. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(`Broken promise: ${what}`);
}
