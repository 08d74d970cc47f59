// The device SDK as others get it: a bundle with declarations that compile where nothing of ours is known.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "#scripts/root.ts";

async function compile(source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-consumer-"));
  try {
    await mkdir(join(folder, "node_modules"));
    await symlink(ROOT, join(folder, "node_modules/tidegate"));
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await writeFile(join(folder, "app.ts"), source);
    const options = ["--noEmit", "--strict", "--skipLibCheck", "false", "--module", "nodenext", "--lib", "es2024,dom", "--types", ""];
    return await new Promise((resolve) => {
      const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
      execFile(process.execPath, [tsc, ...options, "app.ts"], { cwd: folder }, (_error, stdout) => resolve(stdout));
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const APP = `
import { TidegateClient, type Payload, type SocketEnd } from "tidegate/client";
import { handleOnce, NOTHING_HANDLED } from "tidegate/message-dedupe";
const client = new TidegateClient({ url: "https://gateway.example", token: async (isRefused: boolean) => String(isRefused) });
const messages: Payload[] = [];
const socket = client.connect("echo", { onMessage: (payload) => messages.push(payload), onEnd: (end: SocketEnd) => console.log(end.kind) });
const sent: boolean = socket.send(new Uint8Array(1));
console.log(sent, handleOnce(NOTHING_HANDLED, { first: 1, confirmed: 0, messages: ["x"] }, () => []).state.handled);
`;

it("compiles in a program of somebody else's", async () => {
  expect(await compile(APP)).toBe("");
});

it("tells such a program what is wrong with it", async () => {
  expect(await compile(APP.replace("new Uint8Array(1)", "1"))).toContain("TS2345");
});

it("runs in Node as it is published", async () => {
  const { TidegateClient } = (await import(join(ROOT, "dist/client.js"))) as {
    TidegateClient: new (options: object) => { connect: unknown };
  };
  expect(typeof new TidegateClient({ url: "https://gateway.example", token: "t" }).connect).toBe("function");
});
