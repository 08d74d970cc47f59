/**
 * Requests of a Shard object's sessions that its endpoint is asked at a time: each is a connection, and each connection two open
 * files of workerd's. More than the largest default shard has sockets; those of a larger one take turns, first come first served.
 */
const POSTS_MAX = 64;

export class PostPermits {
  readonly #waiting: (() => void)[] = [];
  #free = POSTS_MAX;

  /** Never more than the permits there are; a failure gives its back too. */
  async run<T>(post: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    // Whoever is done hands its own over.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await post();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
