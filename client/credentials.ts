/** The device's token, or who has it; `isRefused`: the last one was refused, a fresh one is needed. */
export type TokenSource = string | ((isRefused: boolean) => string | Promise<string>);

/** Asks for a token when there is none, and after one was refused. */
export class Credentials {
  readonly #source: TokenSource;
  #token: Promise<string> | null = null;

  constructor(source: TokenSource) {
    this.#source = source;
  }

  async token(): Promise<string> {
    this.#token ??= this.#ask({ isRefused: false });
    return this.#token;
  }

  /** Several callers may be refused with the same token: one question for all of them. False: there is no other. */
  refuse(token: string): boolean {
    const known = this.#token;
    if (typeof this.#source === "string") return false;
    if (known === null) return true;
    this.#token = known.then(
      async (current) => (current === token ? this.#ask({ isRefused: true }) : current),
      async () => this.#ask({ isRefused: true }),
    );
    // Nobody may wait for it yet, and a rejection that nobody has taken ends a process. Who asks then hears of it, or asks again.
    this.#token.catch(() => undefined);
    return true;
  }

  async #ask({ isRefused }: { readonly isRefused: boolean }): Promise<string> {
    const source = this.#source;
    try {
      // One that throws at once fails a little later all the same, when what is kept can be forgotten.
      return typeof source === "string" ? source : await (async () => source(isRefused))();
    } catch (error) {
      // The next caller asks again.
      this.#token = null;
      throw error;
    }
  }
}
