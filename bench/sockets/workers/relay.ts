// The peer: a Worker that joins a device's socket and its endpoint's in JavaScript, as Cloudflare's examples write one, and
// does nothing else: no token, no slot, no limit, no word about a close that cannot be sent.
const worker = {
  async fetch(request: Request, env: { readonly BACKEND: string }): Promise<Response> {
    const answer = await fetch(env.BACKEND, { headers: { upgrade: "websocket" } });
    const endpoint = answer.webSocket;
    if (endpoint === null) return new Response("no socket", { status: 502 });
    const { 0: client, 1: device } = new WebSocketPair();
    join(device, endpoint);
    join(endpoint, device);
    for (const socket of [device, endpoint]) {
      // Not the default since 2026: a Blob would have to be read first.
      socket.binaryType = "arraybuffer";
      socket.accept();
    }
    const protocol = request.headers.get("sec-websocket-protocol")?.split(",")[0];
    return new Response(null, {
      status: 101,
      webSocket: client,
      ...(protocol === undefined ? {} : { headers: { "sec-websocket-protocol": protocol } }),
    });
  },
};

function join(from: WebSocket, to: WebSocket): void {
  from.addEventListener("message", ({ data }) => to.send(data as string | ArrayBuffer));
  from.addEventListener("close", () => {
    to.close();
    from.close();
  });
  from.addEventListener("error", () => to.close());
}

export { worker as default };
