import { expect, it } from "vitest";
import { PostPermits } from "#durable/shard/post-permits.ts";

it("asks so many at a time, the others in their order, whatever becomes of those before", async () => {
  const permits = new PostPermits();
  const begun: number[] = [];
  const asked = Array.from({ length: 200 }, (_, index) => {
    const answered = Promise.withResolvers<number>();
    const done = permits
      .run(async () => {
        begun.push(index);
        return answered.promise;
      })
      .catch(() => -1);
    return { ...answered, done };
  });
  const largest = () => begun.length;
  expect(largest()).toBe(64);
  for (const [index, { resolve, reject, done }] of asked.entries()) {
    if (index % 3 === 0) reject(new Error("unreachable"));
    else resolve(index);
    expect(await done).toBe(index % 3 === 0 ? -1 : index);
    await Promise.resolve();
    expect(largest()).toBeLessThanOrEqual(Math.min(200, 65 + index));
  }
  expect(begun).toEqual(Array.from({ length: 200 }, (_, index) => index));
});
