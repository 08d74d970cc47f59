import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface ShakyProxy {
  readonly url: string;
  readonly connections: number;
  /** Where new connections go. */
  port: number;
  /** Resets every connection. */
  cut(): void;
  close(): Promise<void>;
}

/** Passes TCP to a port of this machine, until it is cut. */
export async function startShakyProxy(port: number): Promise<ShakyProxy> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((device) => {
    connections += 1;
    const gateway = connect(proxy.port, "127.0.0.1");
    for (const socket of [device, gateway]) {
      sockets.add(socket);
      socket
        .on("error", () => undefined)
        .on("close", () => {
          sockets.delete(socket);
          device.destroy();
          gateway.destroy();
        });
    }
    device.pipe(gateway).pipe(device);
  });
  const proxy: ShakyProxy = {
    port,
    get url() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    get connections() {
      return connections;
    },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return proxy;
}
