import { fstatSync } from "node:fs";
import { SECOND_MS } from "#shared/units.ts";

/** Resolves when the process is told to end, or when whoever started it is gone: it must not outlive that one. */
export async function untilUnwanted(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, end);
  // Only a pipe says something by closing: in the background, input is /dev/null and ends at once.
  const input = fstatSync(process.stdin.fd);
  if (input.isFIFO() || input.isSocket()) process.stdin.resume().once("close", end);
  const parent = process.ppid;
  const timer = setInterval(() => process.ppid !== parent && end(), SECOND_MS);
  await promise;
  clearInterval(timer);
  process.stdin.destroy();
}
