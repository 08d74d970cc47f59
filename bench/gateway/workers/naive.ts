// The naive design: one object holds the slots, and every request asks it to acquire and to release. It keeps them in
// memory alone, reads no token and writes no row: less than such a gateway would need.
import { DurableObject } from "cloudflare:workers";

interface NaiveEnv {
  readonly BACKEND: string;
  readonly SLOTS: DurableObjectNamespace<Slots>;
}

const CAPACITY = 200;

export class Slots extends DurableObject<NaiveEnv> {
  #inUse = 0;

  acquire(): boolean {
    if (this.#inUse >= CAPACITY) return false;
    this.#inUse += 1;
    return true;
  }

  release(): void {
    this.#inUse -= 1;
  }
}

const worker = {
  async fetch(request: Request, env: NaiveEnv, ctx: ExecutionContext): Promise<Response> {
    const slots = env.SLOTS.get(env.SLOTS.idFromName("echo"));
    if (!(await slots.acquire())) return new Response("no slot", { status: 503 });
    try {
      return await fetch(env.BACKEND + request.url.slice(request.url.indexOf("/", 8)));
    } finally {
      ctx.waitUntil(slots.release());
    }
  },
};

export { worker as default };
