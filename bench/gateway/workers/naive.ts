// The naive design: one object holds the slots, and every request asks it to acquire and to release. It reads no token and
// copies no header: less than such a gateway would need. `Slots` keeps its slots over a restart, as a gateway must that is
// never to admit more than there are; `MemorySlots` forgets them.
import { DurableObject } from "cloudflare:workers";

interface NaiveEnv {
  readonly BACKEND: string;
  readonly SLOTS: DurableObjectNamespace<Slots | MemorySlots>;
}

const CAPACITY = 200;

export class MemorySlots extends DurableObject<NaiveEnv> {
  protected inUse = 0;

  acquire(_slotId: string): boolean {
    if (this.inUse >= CAPACITY) return false;
    this.inUse += 1;
    return true;
  }

  release(_slotId: string): void {
    this.inUse -= 1;
  }
}

export class Slots extends MemorySlots {
  readonly #sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: NaiveEnv) {
    super(ctx, env);
    this.#sql.exec("CREATE TABLE IF NOT EXISTS slots (slot_id TEXT PRIMARY KEY) WITHOUT ROWID");
    this.inUse = Number(this.#sql.exec("SELECT count(*) AS count FROM slots").one()["count"]);
  }

  override acquire(slotId: string): boolean {
    if (!super.acquire(slotId)) return false;
    this.#sql.exec("INSERT INTO slots (slot_id) VALUES (?)", slotId);
    return true;
  }

  override release(slotId: string): void {
    super.release(slotId);
    this.#sql.exec("DELETE FROM slots WHERE slot_id = ?", slotId);
  }
}

const worker = {
  async fetch(request: Request, env: NaiveEnv, ctx: ExecutionContext): Promise<Response> {
    const slots = env.SLOTS.get(env.SLOTS.idFromName("echo"));
    const slotId = crypto.randomUUID();
    if (!(await slots.acquire(slotId))) return new Response("no slot", { status: 503 });
    try {
      return await fetch(env.BACKEND + request.url.slice(request.url.indexOf("/", 8)));
    } finally {
      ctx.waitUntil(slots.release(slotId));
    }
  },
};

export { worker as default };
