// The browser's own WebSocket, and the SDK in a page: headless Chromium before the local gateway.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium as browsers, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { BUNDLE_FOLDER } from "#scripts/build.ts";
import type { TidegateClient } from "#client/index.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { chromium, unlessHere } from "../support/real-clients.ts";
import { startShakyProxy, type ShakyProxy } from "../support/shaky-proxy.ts";

/** Of the page, where the functions given to `evaluate` run. */
declare const location: { readonly origin: string };
interface PageClose {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** What a page of these tests has beside the browser's own. */
interface PageGlobals {
  readonly TidegateClient: typeof TidegateClient;
  readonly seen: { messages: string[]; ends: unknown[]; online: boolean[] };
}

const program = chromium();

describe.skipIf(program === null)(`Chromium${unlessHere(program !== null, "chromium")}`, { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  let proxy: ShakyProxy;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    gateway = await startTestGateway({ echo: { sockets: { mode: "websocket" }, deadlineMs: 10_000 } });
    proxy = await startShakyProxy(gateway.port);
    // In a container there is no sandbox to be had, and /dev/shm is small.
    browser = await browsers.launch({ executablePath: program ?? "", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    page = await browser.newPage();
    // A document of the gateway's own origin, into which the SDK is loaded: a browser lets no other page near this machine.
    await page.goto(`${proxy.url}/livez`);
    const sdk = JSON.stringify(await readFile(join(BUNDLE_FOLDER, "client.js"), "utf8"));
    // As text: the test runner rewrites an import.
    await page.evaluate(
      `import(URL.createObjectURL(new Blob([${sdk}], { type: "text/javascript" }))).then((sdk) => Object.assign(globalThis, sdk))`,
    );
    await page.waitForFunction(() => "TidegateClient" in globalThis);
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await Promise.all([gateway.stop(), proxy.close()]);
  });
  afterEach(async () => gateway.expectNoSlotInUse());

  it("opens a plain WebSocket with its token among the subprotocols, talks both ways, and closes it", async () => {
    const seen = await page.evaluate(
      async (token) => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/connect/echo`, ["chat", `tidegate.bearer.${token}`]);
        socket.binaryType = "arraybuffer";
        const next = async (): Promise<unknown> =>
          new Promise((resolve) =>
            socket.addEventListener(
              "message",
              ({ data }) => resolve(typeof data === "string" ? data : [...new Uint8Array(data as ArrayBuffer)]),
              { once: true },
            ),
          );
        await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
        const protocol = socket.protocol;
        socket.send("grüße");
        const text = await next();
        socket.send(new Uint8Array([0, 255]));
        const binary = await next();
        const closed = new Promise<PageClose>((resolve) => socket.addEventListener("close", resolve, { once: true }));
        socket.close(4004, "page left");
        const { code, reason, wasClean } = await closed;
        return { protocol, text, binary, code, reason, wasClean };
      },
      await gateway.token(),
    );
    expect(seen).toEqual({ protocol: "chat", text: "grüße", binary: [0, 255], code: 4004, reason: "page left", wasClean: true });
  });

  it("hears the endpoint's close of a plain WebSocket", async () => {
    const seen = await page.evaluate(
      async (token) => {
        const path = "/connect/echo?closeCode=4009&closeReason=as+asked";
        const socket = new WebSocket(location.origin.replace("http", "ws") + path, ["chat", `tidegate.bearer.${token}`]);
        const closed = new Promise<PageClose>((resolve) => socket.addEventListener("close", resolve, { once: true }));
        socket.addEventListener("open", () => socket.send("close me"));
        const { code, reason, wasClean } = await closed;
        return { code, reason, wasClean };
      },
      await gateway.token(),
    );
    expect(seen).toEqual({ code: 4009, reason: "as asked", wasClean: true });
  });

  it("runs the SDK: fetches, and sees every message once and in order across connections that are cut", async () => {
    await page.evaluate(
      async (token) => {
        const globals = globalThis as unknown as PageGlobals & { send: (text: string) => boolean; leave: () => void };
        const seen = { messages: [] as string[], ends: [] as unknown[], online: [] as boolean[] };
        const client = new globals.TidegateClient({ url: location.origin, token, platform: { random: () => 0 } });
        const socket = client.connect("echo", {
          onMessage: (payload) => seen.messages.push(typeof payload === "string" ? payload : `bytes ${[...payload].join(" ")}`),
          onLost: (end) => seen.ends.push(end),
          onEnd: (end) => seen.ends.push(end),
          onOnline: (isOnline) => seen.online.push(isOnline),
        });
        const response = await client.fetch("echo", "/hello");
        seen.messages.push(`fetch ${response.status}`);
        Object.assign(globals, { seen, send: (text: string) => socket.send(text), leave: () => socket.close() });
        socket.send(new Uint8Array([1, 2]));
      },
      await gateway.token(),
    );
    const seen = async (): Promise<PageGlobals["seen"]> => page.evaluate(() => (globalThis as unknown as PageGlobals).seen);
    await expect.poll(async () => (await seen()).messages.toSorted(), { timeout: 20_000 }).toEqual(["bytes 1 2", "fetch 200"]);
    const numbered = Array.from({ length: 30 }, (_, index) => `m${index}`);
    for (const [index, text] of numbered.entries()) {
      await expect
        .poll(async () => page.evaluate((one) => (globalThis as unknown as { send(text: string): boolean }).send(one), text))
        .toBe(true);
      if (index % 10 === 4) proxy.cut();
    }
    await expect.poll(async () => (await seen()).messages.slice(2), { timeout: 30_000 }).toEqual(numbered);
    expect(gateway.backend.stats().sockets).toBe(1);
    await page.evaluate(() => (globalThis as unknown as { leave(): void }).leave());
    await expect
      .poll(async () => (await seen()).ends)
      .toEqual([{ kind: "closed", code: 1000, reason: "", unacknowledged: [], missed: null }]);
    expect((await seen()).online.filter((isOnline) => !isOnline).length).toBeGreaterThan(0);
  });

  it("learns from the SDK why an upgrade was refused, which a browser cannot see", async () => {
    const end = await page.evaluate(
      async (token) =>
        new Promise((resolve) => {
          const { TidegateClient: Client } = globalThis as unknown as PageGlobals;
          new Client({ url: location.origin, token }).connect("echo", { onMessage: () => undefined, onEnd: resolve });
        }),
      await gateway.token({ services: ["other"] }),
    );
    expect(end).toMatchObject({ kind: "refused", status: 403 });
  });
});
