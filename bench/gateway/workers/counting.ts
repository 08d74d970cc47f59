// Tidegate with every call of an object, every alarm and every row counted, which is what the platform bills. Locally the
// objects run in the Worker's own isolate, so one table sees them all. For counting only: CPU is measured without it.
import { app } from "#gateway/app.ts";
import * as worker from "#gateway/worker.ts";

const counts = { calls: 0, alarms: 0, rowsRead: 0, rowsWritten: 0, objects: 0 };
const objects = new WeakSet<object>();
const patched = new WeakSet<object>();

type Method = (this: WithStorage, ...args: unknown[]) => unknown;

interface WithStorage {
  readonly ctx: DurableObjectState;
}

for (const exported of Object.values(worker)) {
  if (typeof exported === "function") countMethods(exported.prototype as unknown as Record<string, Method>);
}

function countMethods(prototype: Record<string, Method>): void {
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = Object.getOwnPropertyDescriptor(prototype, name)?.value as Method | undefined;
    if (name === "constructor" || typeof method !== "function") continue;
    prototype[name] = function counted(this: WithStorage, ...args: unknown[]): unknown {
      if (name === "alarm") counts.alarms += 1;
      else counts.calls += 1;
      if (!objects.has(this)) counts.objects += 1;
      objects.add(this);
      countRows(this.ctx.storage);
      return method.apply(this, args);
    };
  }
}

/** Once, for all objects: they share the prototypes. */
function countRows(ofOne: DurableObjectStorage): void {
  const storage = Object.getPrototypeOf(ofOne) as DurableObjectStorage;
  const prototype = Object.getPrototypeOf(ofOne.sql) as SqlStorage;
  if (patched.has(prototype)) return;
  patched.add(prototype);
  const exec = prototype.exec as (this: SqlStorage, ...args: unknown[]) => SqlStorageCursor<Record<string, SqlStorageValue>>;
  const setAlarm = storage.setAlarm as (this: DurableObjectStorage, ...args: unknown[]) => Promise<void>;
  prototype.exec = function counted(this: SqlStorage, ...args: unknown[]) {
    const cursor = exec.apply(this, args);
    counts.rowsWritten += cursor.rowsWritten;
    counts.rowsRead += cursor.rowsRead;
    return cursor;
  } as SqlStorage["exec"];
  // PLATFORM: a set alarm is a row written.
  storage.setAlarm = function counted(this: DurableObjectStorage, ...args: unknown[]) {
    counts.rowsWritten += 1;
    return setAlarm.apply(this, args);
  };
}

const counting = {
  fetch(...args: Parameters<typeof app.fetch>): Promise<Response> | Response {
    return args[0].url.endsWith("/__counts") ? Response.json(counts) : app.fetch(...args);
  },
};

export { counting as default };
// Whatever classes there are: nothing is forgotten when one is added.
// oxlint-disable-next-line oxc/no-barrel-file -- it is the Worker's own list of exports
export * from "#gateway/worker.ts";
