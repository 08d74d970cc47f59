// The requests that hold a slot, oldest first: so that one whose end never came (the runtime ended its context) does not
// keep its slot for as long as the isolate lives. A list through the requests themselves: entering and leaving costs four
// assignments.

export interface RunningRequest {
  readonly startedAtMs: number;
  before: RunningRequest | null;
  after: RunningRequest | null;
  giveUp(): void;
}

export class RunningRequests {
  #oldest: RunningRequest | null = null;
  #newest: RunningRequest | null = null;

  enter(request: RunningRequest): void {
    request.before = this.#newest;
    if (this.#newest === null) this.#oldest = request;
    else this.#newest.after = request;
    this.#newest = request;
  }

  leave(request: RunningRequest): void {
    const { before, after } = request;
    if (before === null) this.#oldest = after;
    else before.after = after;
    if (after === null) this.#newest = before;
    else after.before = before;
    request.before = null;
    request.after = null;
  }

  /** Gives up those that began before. */
  giveUpBefore(atMs: number): void {
    for (let oldest = this.#oldest; oldest !== null && oldest.startedAtMs < atMs; oldest = this.#oldest) oldest.giveUp();
  }
}
