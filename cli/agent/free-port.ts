import { createServer } from "node:net";

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux, from 49152 by RFC 6335): a gateway beside its
 * backends opens thousands of those, and one could be where a unit is about to listen.
 */
export const PORTS_DEFAULT: PortRange = { first: 21_000, last: 24_999 };

/** The next port after `after` in the range on which nobody listens; null: there is none. */
export async function freePort({ first, last }: PortRange, after: number, isTaken: (port: number) => boolean): Promise<number | null> {
  const count = last - first + 1;
  const begin = after >= first && after < last ? after + 1 : first;
  for (let step = 0; step < count; step += 1) {
    const port = first + ((begin - first + step) % count);
    if (!isTaken(port) && (await canListen(port))) return port;
  }
  return null;
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
