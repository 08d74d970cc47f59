import { expect, it } from "vitest";
import { sendProblem, startFakeGateway, unusedUrl, type FakeGatewayOptions } from "./fake-gateway.ts";
import { runCli } from "./run-cli.ts";

const TOKEN = "aaa.bbb.ccc";
const echo: FakeGatewayOptions["converse"] = (socket) =>
  void socket.on("message", (data: Buffer, isBinary) => socket.send(isBinary ? data : data.toString()));

it("sends each message, prints each answer, closes with 1000", async () => {
  const closed = Promise.withResolvers<number>();
  const { url, upgrades } = await startFakeGateway({
    converse: (socket, request) => {
      echo(socket, request);
      socket.on("close", closed.resolve);
    },
  });
  const run = await runCli(["socket", "--service", "echo", "--token", TOKEN, "--url", url, "--message", "one", "--message", "two"]);
  expect(run).toEqual({ exitCode: 0, stdout: "one\ntwo\n", stderr: "" });
  expect(await closed.promise).toBe(1_000);
  expect(upgrades.map(({ url: path, headers }) => [path, headers["sec-websocket-protocol"]])).toEqual([
    ["/connect/echo", `app, tidegate.bearer.${TOKEN}`],
  ]);
});

it("reads messages from standard input, and the token from the environment", async () => {
  const { url, upgrades } = await startFakeGateway({ converse: echo });
  const lines = Array.from({ length: 250 }, (_, index) => `line ${index}`).join("\n");
  const run = await runCli(["socket", "--service", "echo", "--url", url], { stdin: `${lines}\n`, environment: { TIDEGATE_TOKEN: TOKEN } });
  expect(run).toEqual({ exitCode: 0, stdout: `${lines}\n`, stderr: "" });
  expect(upgrades[0]?.headers["sec-websocket-protocol"]).toContain(TOKEN);
});

it("prints one JSON object per message with --json, binary ones in base64", async () => {
  const { url } = await startFakeGateway({
    converse: (socket) => {
      const replies = ["text", Buffer.from([0, 1, 255])];
      socket.on("message", () => socket.send(replies.shift() ?? ""));
    },
  });
  const { stdout } = await runCli([
    "socket",
    "--service",
    "echo",
    "--token",
    TOKEN,
    "--url",
    url,
    "--message",
    "a",
    "--message",
    "b",
    "--json",
  ]);
  expect(stdout).toBe('{"data":"text"}\n{"base64":"AAH/"}\n');
});

it("asks why an upgrade was refused, and says it", async () => {
  const { url, requests } = await startFakeGateway({
    answer: (_, response) => sendProblem(response, { status: 429, outcome: "rejected-quota", detail: "acme has 50 of 50 slots." }),
  });
  const { exitCode, stdout, stderr } = await runCli(["socket", "--service", "echo", "--token", TOKEN, "--url", url, "--message", "hello"]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toBe("Cannot open a socket to echo: acme has 50 of 50 slots. (status 429)\n");
  expect(requests).toMatchObject([{ method: "POST", path: "/connect/echo", headers: { authorization: `Bearer ${TOKEN}` } }]);
});

it.for([
  {
    name: "a close with messages unanswered",
    converse: (socket) => void socket.on("message", () => socket.close(1013, "busy")),
    says: "it was closed with 1013 (busy), expected an answer to every message",
  },
  { name: "silence", converse: () => {}, says: "1 messages are unanswered after 0.2 s, expected an answer to each" },
] satisfies { name: string; converse: FakeGatewayOptions["converse"]; says: string }[])("tells $name", async ({ converse, says }) => {
  const { url } = await startFakeGateway({ converse });
  const { exitCode, stderr } = await runCli([
    "socket",
    "--service",
    "echo",
    "--token",
    TOKEN,
    "--url",
    url,
    "--message",
    "hello",
    "--timeout",
    "200ms",
  ]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(says);
});

it("says that there is no gateway", async () => {
  const { exitCode, stderr } = await runCli([
    "socket",
    "--service",
    "echo",
    "--token",
    TOKEN,
    "--url",
    await unusedUrl(),
    "--message",
    "hello",
  ]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("Cannot reach the gateway");
});

it.for([
  { argv: ["--service", "echo"], says: "the token is missing or malformed, expected --token TOKEN or TIDEGATE_TOKEN", exitCode: 2 },
  { argv: ["--service", "echo", "--token", "a b"], says: "the token is missing or malformed", exitCode: 2 },
  { argv: ["--service", "../x", "--token", TOKEN], says: "Cannot read --service", exitCode: 2 },
])("refuses $argv", async ({ argv, says, exitCode }) => {
  const run = await runCli(["socket", ...argv, "--message", "hello"]);
  expect(run.exitCode).toBe(exitCode);
  expect(run.stderr).toContain(says);
});

it("bounds a message", async () => {
  const { url } = await startFakeGateway({ converse: echo });
  const { exitCode, stderr } = await runCli(["socket", "--service", "echo", "--token", TOKEN, "--url", url], {
    stdin: "x".repeat(2 ** 20 + 1),
  });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("Cannot send a message: it has more than 1048576 bytes, expected at most that");
});
