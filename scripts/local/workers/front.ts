// Runs in a front process: hands every request of a device, sockets too, on to the gateway's process, all over one connection.
import { DurableObject } from "cloudflare:workers";

interface FrontEnv {
  readonly DEBUG_PORT: DebugPort;
  /** Where the gateway's process listens for its fronts, and the name of its Worker there. */
  readonly GATEWAY_ADDRESS: string;
  readonly GATEWAY_SERVICE: string;
  readonly TRUNK: DurableObjectNamespace<Trunk>;
}

/** workerd's binding `workerdDebugPort`, which its types leave out: events of another workerd's Workers over one Cap'n Proto connection. */
interface DebugPort {
  connect(address: string): { getEntrypoint(service: string): Promise<Fetcher> };
}

/**
 * Has the connection. A Worker may not use what another request has opened, so each would connect by itself and hold that for as
 * long as its device's socket; the requests of one object share what is the object's.
 */
export class Trunk extends DurableObject<FrontEnv> {
  #gateway: Promise<Fetcher> | null = null;

  override async fetch(request: Request): Promise<Response> {
    const { DEBUG_PORT, GATEWAY_ADDRESS, GATEWAY_SERVICE } = this.env;
    this.#gateway ??= DEBUG_PORT.connect(GATEWAY_ADDRESS).getEntrypoint(GATEWAY_SERVICE);
    return (await this.#gateway).fetch(request);
  }
}

export default {
  async fetch(request, { TRUNK }) {
    return TRUNK.get(TRUNK.idFromName("trunk")).fetch(request);
  },
} satisfies ExportedHandler<FrontEnv>;
