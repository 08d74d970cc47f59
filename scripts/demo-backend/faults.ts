import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import type { Fault } from "./directives.ts";

const BODY_PART = "the first half of a body that never ends";

/** Answers as a faulty endpoint does. Holds the place until the connection is gone. */
export async function misbehave(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { socket } = request;
  switch (fault) {
    case "hang":
      return;
    case "reset":
      socket.resetAndDestroy();
      return;
    case "garbage":
      socket.end("220 this is not HTTP\r\n\u0000\u0001\u0002\r\n\r\n");
      return;
    case "abort-headers":
      socket.end("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-le");
      return;
    case "reset-body":
      response.writeHead(200, { "content-type": "text/plain", "content-length": String(2 * BODY_PART.length) });
      await new Promise<void>((resolve) => response.write(BODY_PART, () => resolve()));
      // A reset may overtake bytes that the peer has not read: it gets a turn first.
      await setImmediate();
      socket.resetAndDestroy();
  }
}
