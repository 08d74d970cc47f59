import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { connectionsOf, isConnected } from "#cli/agent/connected.ts";

it("reads the kernel's table", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:5208 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:5208 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 22222 1 0000000000000000 20 4 30 10 -1
`;
  expect(connectionsOf(table)).toEqual([{ localPort: 21_000, remotePort: 50_000, inode: "22222" }]);
});

it.skipIf(process.platform !== "linux")("does not count its own connections", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connection = connect({ host: "127.0.0.1", port });
  await once(connection, "connect");
  expect(isConnected(port)).toBe(false);
  connection.destroy();
  server.close();
});
