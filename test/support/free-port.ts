import { once } from "node:events";
import { createServer } from "node:net";

/** Below what Linux (by default from 32768) and the IANA (from 49152) give to whoever asks for any port, or connects to somewhere. */
const PORT_MIN = 20_000;
const PORT_COUNT = 12_000;
const TRIES_MAX = 100;

/**
 * A port of 127.0.0.1 that nobody has, for what cannot be told to listen at any: also later, for neither another test's server at port 0 nor
 * a connection is given it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (let count = 0; count < TRIES_MAX; count += 1) {
    const port = PORT_MIN + Math.floor(Math.random() * PORT_COUNT);
    const server = createServer();
    try {
      await once(server.listen(port, "127.0.0.1"), "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error(`Cannot find a free port: ${TRIES_MAX} tries from ${PORT_MIN} on, expected one of ${PORT_COUNT} to be free`);
}
