// How a browser's WebSocket reaches a service: the token travels as a subprotocol, never in the URL.

/** The application's subprotocol: the one that is echoed. */
const APPLICATION_PROTOCOL = "app";

export function socketUrl(gatewayUrl: string, service: string): string {
  return `${gatewayUrl.replace(/^http/, "ws")}/connect/${encodeURIComponent(service)}`;
}

export function socketProtocols(token: string): string[] {
  return [APPLICATION_PROTOCOL, `tidegate.bearer.${token}`];
}
