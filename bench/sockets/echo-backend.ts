// The endpoint of every contender: sends each message back as it came, and costs as little as will do. In a process of its own.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CLOSE, encodeFrame, FrameReader } from "./load/wire.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Where sockets come as WebSocket-over-HTTP, what is asked is the answer too, an OPEN as well as a message. No idle connection is
 * closed: a request that meets that is a 502, and not what is measured.
 */
const server = createServer({ noDelay: true, keepAliveTimeout: 600_000 }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => response.writeHead(200, { "content-type": "application/websocket-events" }).end(Buffer.concat(chunks)));
});
server.on("upgrade", (request, connection: Duplex) => {
  const socket = connection as Socket;
  const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  const reader = new FrameReader();
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    const answers: Buffer[] = [];
    let hasClosed = false;
    for (const { opcode, payload } of reader.read(chunk)) {
      answers.push(encodeFrame(opcode, payload, { isMasked: false }));
      hasClosed ||= opcode === CLOSE;
    }
    // What came together goes together: one system call for it.
    if (answers.length > 0) socket.write(Buffer.concat(answers));
    if (hasClosed) socket.end();
  });
});
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMs: (user + system) / 1_000 });
});
// Whoever started this is gone.
process.on("disconnect", () => process.exit(0));
server.listen({ host: "127.0.0.1", port: 0 }, () => process.send?.({ port: (server.address() as AddressInfo).port }));
