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
    return true;
  }

  async #ask({ isRefused }: { readonly isRefused: boolean }): Promise<string> {
    const source = this.#source;
    try {
      return await (typeof source === "string" ? source : source(isRefused));
    } catch (error) {
      // The next caller asks again.
      this.#token = null;
      throw error;
    }
  }
}
