import { expect, it } from "vitest";
import { SocketRoom } from "#durable/shard/socket-room.ts";

it("has room for 20,000 sockets that are open, however many came and went, and counts them seldom", () => {
  let [open, counted] = [0, 0];
  const room = new SocketRoom({
    getWebSockets: () => {
      counted += 1;
      return Array.from<WebSocket>({ length: open });
    },
  });
  for (let came = 0; came < 50_000; came += 1) {
    expect(room.isFull()).toBe(false);
    open = Math.min(open + 1, 10_000);
  }
  expect(counted).toBeLessThan(10);
  open = 19_999;
  expect(room.isFull()).toBe(false);
  open = 20_000;
  expect([room.isFull(), room.isFull()]).toEqual([true, true]);
  open = 19_999;
  expect(room.isFull()).toBe(false);
});
