// Calls between edges, Shard objects and pools in the region simulation: lost, late after their caller was told that they failed, heard and not
// answered, heard twice, or heard by an instance that dies before its answer is out. Those of callers that have died are answered to nobody.
import { repeatPauseMs } from "#shared/protocol/repeat-pause.ts";
import type { SeededRandom } from "#test/wasm/seeded-random.ts";
import type { EventQueue } from "./event-queue.ts";

/** What an edge calls a pool, as gateway/lease/pool-call.ts does. */
const ATTEMPTS_MAX = 3;
const LATE_MS = 6_000;
const FATES = 20;

interface CallsInput {
  readonly random: SeededRandom;
  readonly queue: EventQueue;
  readonly isCalm: () => boolean;
}

interface Caller {
  readonly isAlive?: () => boolean;
  /** The instance that hears it. */
  readonly kill?: () => void;
  /** Whether it may be heard a second time now, though it was answered. */
  readonly mayRepeat?: () => boolean;
}

const ALWAYS = (): boolean => true;

export class SimulatedCalls {
  readonly counts = { callsFailed: 0, callsRepeated: 0, callsTwice: 0 };
  readonly #input: CallsInput;

  constructor(input: CallsInput) {
    this.#input = input;
  }

  async wait(ms: number): Promise<void> {
    return new Promise((wake) => this.#input.queue.after(ms, wake));
  }

  /** Asked again where it failed, after a pause. */
  async repeated<T>(heard: () => T | Promise<T>, caller: Caller = {}): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.once(heard, caller);
      } catch (error) {
        await this.wait(repeatPauseMs(this.#input.random.next()));
        if (attempt === ATTEMPTS_MAX) throw error;
        this.counts.callsRepeated += 1;
      }
    }
  }

  async once<T>(heard: () => T | Promise<T>, { isAlive = ALWAYS, kill, mayRepeat = ALWAYS }: Caller = {}): Promise<T> {
    const { queue, random, isCalm } = this.#input;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!isAlive()) return promise;
    const fate = isCalm() ? 0 : random.below(FATES);
    const delayMs = isCalm() ? 5 : 1 + random.below(60);
    if ((fate >= 1 && fate <= 3) || (fate === 5 && kill !== undefined)) this.counts.callsFailed += 1;
    if (fate === 4) this.counts.callsTwice += 1;
    const answer = (settle: () => void): void => queue.after(delayMs, () => isAlive() && settle());
    const hear = async (): Promise<T> => heard();
    const listen = (then: (value: T) => void): void =>
      void hear().then(then, (error: unknown) => answer(() => reject(error instanceof Error ? error : new Error(String(error)))));
    const late = (mayCome = ALWAYS): void => queue.after(random.below(LATE_MS), () => mayCome() && listen(() => undefined));
    if (fate === 1) answer(() => reject(new Error("lost")));
    else if (fate === 2) {
      answer(() => reject(new Error("given up")));
      late();
    } else
      queue.after(delayMs, () =>
        listen((value) => {
          if (fate === 4) late(mayRepeat);
          if (fate === 5) kill?.();
          const isUnheard = fate === 3 || (fate === 5 && kill !== undefined);
          answer(() => (isUnheard ? reject(new Error("unheard")) : resolve(value)));
        }),
      );
    return promise;
  }
}
