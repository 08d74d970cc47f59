// WebSocket clients that no one here wrote, as plain devices with a token.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import WebSocket from "ws";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { hasScript, pythonWithWebsockets, unlessHere } from "../support/real-clients.ts";

let gateway: TestGateway;
let url = "";

beforeAll(async () => {
  gateway = await startTestGateway({ echo: { sockets: { mode: "websocket" }, deadlineMs: 10_000 } });
  url = gateway.url.replace("http", "ws");
});
afterAll(async () => gateway.stop());
afterEach(async () => gateway.expectNoSlotInUse());

it("ws exchanges text, binary and pings, and hears its own close and the endpoint's", async () => {
  const headers = { authorization: `Bearer ${await gateway.token()}` };
  const socket = new WebSocket(`${url}/connect/echo`, ["chat"], { headers });
  const received: [data: string, isBinary: boolean][] = [];
  socket.on("message", (data: Buffer, isBinary) => received.push([data.toString("latin1"), isBinary]));
  await once(socket, "open");
  expect([socket.protocol, await gateway.slotsInUse()]).toEqual(["chat", 1]);
  socket.send("text");
  socket.send(Buffer.from([0, 255]));
  await expect
    .poll(() => received)
    .toEqual([
      ["text", false],
      ["\u0000\u00ff", true],
    ]);
  socket.ping("are you there");
  expect(String(((await once(socket, "pong")) as unknown[])[0])).toBe("are you there");
  socket.close(4001, "bye");
  expect(((await once(socket, "close")) as [number, Buffer]).map(String)).toEqual(["4001", "bye"]);
  const other = new WebSocket(`${url}/connect/echo?closeCode=4009&closeReason=as+asked`, { headers });
  await once(other, "open");
  other.send("close me");
  expect(((await once(other, "close")) as [number, Buffer]).map(String)).toEqual(["4009", "as asked"]);
});

const script = hasScript();
it.skipIf(!script)(`wscat talks, pings and closes at its terminal${unlessHere(script, "script")}`, async () => {
  const wscat = join(dirname(createRequire(import.meta.url).resolve("wscat/package.json")), "bin/wscat");
  // As its user would type it; the token is none that a shell reads anything into.
  const token = await gateway.token();
  const line = `${process.execPath} ${wscat} --no-color --slash -P -c ${url}/connect/echo -s chat -s tidegate.bearer.${token}`;
  const child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const exited = once(child, "exit");
  try {
    await expect.poll(() => said, { timeout: 20_000 }).toContain("Connected");
    expect(await gateway.slotsInUse()).toBe(1);
    child.stdin.write("good morning\n");
    await expect.poll(() => said).toContain("< good morning");
    child.stdin.write("/ping tide\n");
    await expect.poll(() => said).toContain('Received pong (data: "tide")');
    child.stdin.write("/close 4002 enough\n");
    await expect.poll(() => said).toContain('Disconnected (code: 4002, reason: "enough")');
    await exited;
  } finally {
    child.kill();
  }
});

/** Talks, and says as JSON what it saw. `additional_headers` since websockets 14. */
const PYTHON = `
import asyncio, json, sys, websockets
url, token = sys.argv[1:]
name = "extra_headers" if int(websockets.__version__.split(".")[0]) < 14 else "additional_headers"
options = {name: {"Authorization": "Bearer " + token}}
async def main():
    seen = []
    async with websockets.connect(url + "/connect/echo", subprotocols=["chat"], **options) as socket:
        seen.append(socket.subprotocol)
        for message in ("gr\\u00fc\\u00dfe", b"\\x00\\xff", "x" * 100000):
            await socket.send(message)
            answer = await socket.recv()
            seen.append(answer == message and type(answer).__name__)
        await asyncio.wait_for(await socket.ping(), 10)
        await socket.close(4003, "done")
        seen.append([socket.close_code, socket.close_reason])
    try:
        async with websockets.connect(url + "/connect/echo?closeCode=4009&closeReason=as+asked", **options) as socket:
            await socket.send("close me")
            await socket.recv()
    except websockets.ConnectionClosed as closed:
        seen.append([closed.rcvd.code, closed.rcvd.reason])
    print(json.dumps(seen))
asyncio.run(main())
`;

const python = pythonWithWebsockets();
it.skipIf(python === null)(
  `python3-websockets exchanges text, binary and pings, and closes${unlessHere(python !== null, "python3-websockets")}`,
  async () => {
    const { stdout } = await promisify(execFile)(python ?? "", ["-c", PYTHON, url, await gateway.token()], { timeout: 25_000 });
    expect(JSON.parse(stdout)).toEqual(["chat", "str", "bytes", "str", [4003, "done"], [4009, "as asked"]]);
  },
);
