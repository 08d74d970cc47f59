// Tidegate with every event counted that its objects are woken by, and a clock that can be put forward. Locally the objects run in
// the Worker's own isolate, so one table sees them all.
import { app } from "#gateway/app.ts";
import * as worker from "#gateway/worker.ts";

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Method → how often; a pool's as `pool.` and its name. */
const counts: Record<string, number> = { constructed: 0 };
const shardIds = new Set<string>();
const poolIds = new Set<string>();
const realNow = Date.now.bind(Date);
let offsetMs = 0;
Date.now = () => realNow() + offsetMs;

for (const [of, prefix] of [
  [worker.Shard, ""],
  [worker.ServicePool, "pool."],
] as const) {
  const prototype = of.prototype as unknown as Record<string, Method>;
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = Object.getOwnPropertyDescriptor(prototype, name)?.value as Method | undefined;
    if (name === "constructor" || typeof method !== "function") continue;
    prototype[name] = function counted(this: unknown, ...args: unknown[]): unknown {
      counts[prefix + name] = (counts[prefix + name] ?? 0) + 1;
      return method.apply(this, args);
    };
  }
}

/** An object that was asleep, or evicted, is constructed anew. */
class Shard extends worker.Shard {
  constructor(...args: ConstructorParameters<typeof worker.Shard>) {
    super(...args);
    counts["constructed"] = (counts["constructed"] ?? 0) + 1;
    shardIds.add(this.ctx.id.toString());
  }

  /** Whether an alarm would have woken it by now. */
  async isDue(): Promise<boolean> {
    return ((await this.ctx.storage.getAlarm()) ?? Infinity) <= Date.now();
  }
}

class ServicePool extends worker.ServicePool {
  constructor(...args: ConstructorParameters<typeof worker.ServicePool>) {
    super(...args);
    poolIds.add(this.ctx.id.toString());
  }

  /** Puts the clock forward, with every alarm of this pool's on the way. */
  async pass(untilMs: number): Promise<void> {
    for (;;) {
      const atMs = (await this.ctx.storage.getAlarm()) ?? Infinity;
      if (atMs > untilMs) break;
      offsetMs += Math.max(0, atMs - Date.now());
      await this.ctx.storage.deleteAlarm();
      await this.alarm();
    }
    offsetMs += Math.max(0, untilMs - Date.now());
  }
}

interface Objects {
  readonly POOL: DurableObjectNamespace<ServicePool>;
  readonly SHARD: DurableObjectNamespace<Shard>;
}

const counting = {
  async fetch(...[request, env, ctx]: Parameters<typeof app.fetch>): Promise<Response> {
    const { POOL, SHARD } = env as unknown as Objects;
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/__counts") return Response.json(counts);
    if (pathname === "/__pass") {
      const untilMs = Date.now() + Number(searchParams.get("ms"));
      for (const id of poolIds) await POOL.get(POOL.idFromString(id)).pass(untilMs);
      return Response.json({});
    }
    if (pathname === "/__due") {
      const due = await Promise.all([...shardIds].map(async (id) => SHARD.get(SHARD.idFromString(id)).isDue()));
      return Response.json({ due: due.filter(Boolean).length });
    }
    return app.fetch(request, env, ctx);
  },
};

export { counting as default, ServicePool, Shard };
// oxlint-disable-next-line oxc/no-barrel-file -- it is the Worker's own list of exports; those above stand before it
export * from "#gateway/worker.ts";
