import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/**
 * Writes bytes to a real socket and gives what came back once the other side has closed or `until` is satisfied.
 * `then` runs after the bytes are out: to half-close, reset, or write on.
 */
export async function rawHttp(port: number, bytes: string, then: (socket: Socket) => void = () => undefined): Promise<RawAnswer> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: "127.0.0.1", port });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    if (isWhole(text)) socket.end();
  });
  socket.on("error", () => resolve(text)).on("close", () => resolve(text));
  socket.write(bytes, "latin1", () => then(socket));
  const answer = await promise;
  const [head = "", body = ""] = splitOnce(answer, "\r\n\r\n");
  return { status: Number(head.slice(9, 12)), headers: head.toLowerCase(), body };
}

function isWhole(text: string): boolean {
  const [head = "", body] = splitOnce(text, "\r\n\r\n");
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  return body !== undefined && length !== undefined && body.length >= Number(length);
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
