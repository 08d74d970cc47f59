// Tidegate with every event counted that a Shard object is woken by. Locally the objects run in the Worker's own isolate, so one
// table sees them all.
import { app } from "#gateway/app.ts";
import * as worker from "#gateway/worker.ts";

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Method → how often. */
const counts: Record<string, number> = { constructed: 0 };

const prototype = worker.Shard.prototype as unknown as Record<string, Method>;
for (const name of Object.getOwnPropertyNames(prototype)) {
  const method = Object.getOwnPropertyDescriptor(prototype, name)?.value as Method | undefined;
  if (name === "constructor" || typeof method !== "function") continue;
  prototype[name] = function counted(this: unknown, ...args: unknown[]): unknown {
    counts[name] = (counts[name] ?? 0) + 1;
    return method.apply(this, args);
  };
}

/** An object that was asleep, or evicted, is constructed anew. */
class Shard extends worker.Shard {
  constructor(...args: ConstructorParameters<typeof worker.Shard>) {
    super(...args);
    counts["constructed"] = (counts["constructed"] ?? 0) + 1;
  }
}

const counting = {
  fetch(...args: Parameters<typeof app.fetch>): Promise<Response> | Response {
    return args[0].url.endsWith("/__counts") ? Response.json(counts) : app.fetch(...args);
  },
};

export { counting as default, Shard };
// oxlint-disable-next-line oxc/no-barrel-file -- it is the Worker's own list of exports; Shard above stands before it
export * from "#gateway/worker.ts";
