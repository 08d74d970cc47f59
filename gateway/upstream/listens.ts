// Whether anybody listens at an endpoint. workerd says of a connection that was refused what it says of one that broke off: "Network
// connection lost." (2026-11-02). So whoever has got no answer asks once more, for a connection alone.
import { connect } from "cloudflare:sockets";
import { SECOND_MS } from "#shared/units.ts";

const TIMEOUT_MS = SECOND_MS;

/** False: a connection is refused. Silence is no refusal. */
export async function listens(endpointUrl: string): Promise<boolean> {
  const { hostname, port, protocol } = new URL(endpointUrl);
  let timer: ReturnType<typeof setTimeout> | null = null;
  try {
    const socket = connect({ hostname: hostname.replaceAll(/[[\]]/g, ""), port: Number(port || (protocol === "https:" ? 443 : 80)) });
    // It says the same once more.
    socket.closed.catch(() => undefined);
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, TIMEOUT_MS)));
    await Promise.race([socket.opened, late]);
    void socket.close().catch(() => undefined);
    return true;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
