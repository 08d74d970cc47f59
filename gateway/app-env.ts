import type { GatewayEnv } from "./gateway-env.ts";
import type { RequestScope } from "./request-scope.ts";

/** Hono's view of a request. */
export interface AppEnv {
  Bindings: GatewayEnv;
  Variables: { scope: RequestScope };
}
