/**
 * Requests of a Shard object's sessions that its endpoint is asked at a time: each is a connection, and each connection two open
 * files of workerd's. More than the largest default shard has sockets; those of a larger one take turns, first come first served.
 */
const POSTS_MAX = 64;
/**
 * Of these, those that tell the endpoint of sessions that are over. They have no device that waits for them: where many end together, three quarters
 * are the living's, and where the living are many, the farewells have their quarter.
 */
const FAREWELLS_MAX = POSTS_MAX / 4;

type Kind = "message" | "farewell";

export class PostPermits {
  readonly #waiting: Readonly<Record<Kind, (() => void)[]>> = { message: [], farewell: [] };
  #free = POSTS_MAX;
  #farewells = 0;

  /** Never more than the permits there are; a failure gives its back too. */
  async run<T>(post: () => Promise<T>, kind: Kind = "message"): Promise<T> {
    // Whoever is done gives its own to the next.
    if (!this.#take(kind)) await new Promise<void>((resolve) => this.#waiting[kind].push(resolve));
    try {
      return await post();
    } finally {
      this.#free += 1;
      if (kind === "farewell") this.#farewells -= 1;
      this.#giveOn();
    }
  }

  #take(kind: Kind): boolean {
    if (this.#free === 0 || (kind === "farewell" && this.#farewells === FAREWELLS_MAX)) return false;
    this.#free -= 1;
    if (kind === "farewell") this.#farewells += 1;
    return true;
  }

  /** Farewells first, as far as their part goes: the living have all the rest. */
  #giveOn(): void {
    for (const kind of ["farewell", "message"] as const)
      while (this.#waiting[kind].length > 0 && this.#take(kind)) this.#waiting[kind].shift()?.();
  }
}
