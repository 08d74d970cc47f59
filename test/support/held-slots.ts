import { expect, vi } from "vitest";
import type { TestGateway } from "./gateway.ts";

/** Half a minute, in chunks: a device that goes is noticed with the next of them. */
const BODY = "bytes=60000&chunks=600&chunkDelayMs=50";

/** Has so many of echo's slots in use, by bodies that stream for longer than anybody looks, until they are let go. */
export async function holdSlots(gateway: TestGateway, count: number): Promise<{ release(): Promise<void> }> {
  const aborter = new AbortController();
  const answers = await Promise.all(
    Array.from({ length: count }, async () => gateway.fetch(`/s/echo/held?${BODY}`, { signal: aborter.signal })),
  );
  const bodies = Promise.allSettled(answers.map(async (answer) => answer.text()));
  await vi.waitFor(() => expect(gateway.backend.stats().inFlight).toBe(count), { timeout: 15_000 });
  return {
    async release() {
      aborter.abort();
      // None had ended before: what was seen meanwhile was seen beside them.
      expect((await bodies).map(({ status }) => status)).toEqual(answers.map(() => "rejected"));
    },
  };
}
