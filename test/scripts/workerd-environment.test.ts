import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { childOf } from "#bench/gateway/cpu-time.ts";
import { startGatewayProcess } from "#scripts/local/gateway-process.ts";
import { withFreeRseq } from "#scripts/local/workerd-process.ts";

const folder = await mkdtemp(join(tmpdir(), "tidegate-environment-"));
afterAll(async () => rm(folder, { recursive: true, force: true }));

describe("workerd's environment", () => {
  it.for([
    [undefined, "glibc.pthread.rseq=0"],
    ["", "glibc.pthread.rseq=0"],
    ["glibc.malloc.check=3", "glibc.malloc.check=3:glibc.pthread.rseq=0"],
    ["glibc.pthread.rseq=1", "glibc.pthread.rseq=1"],
  ])("leaves restartable sequences to its allocator, unless told otherwise: %s", ([said, expected]) => {
    const environment = withFreeRseq({ ...(said === undefined ? {} : { GLIBC_TUNABLES: said }), HOME: "/home/me" });
    expect(environment).toEqual({ GLIBC_TUNABLES: expected, HOME: "/home/me" });
  });

  it.runIf(process.platform === "linux")("reaches the process itself", async () => {
    const gateway = await startGatewayProcess({ stateFolder: folder, port: 0, operatorKey: "x", onLog: () => undefined });
    try {
      const environment = await readFile(`/proc/${childOf(gateway.leashPid)}/environ`, "utf8");
      expect(environment.split("\0")).toContainEqual(expect.stringMatching(/^GLIBC_TUNABLES=.*glibc\.pthread\.rseq=/));
    } finally {
      await gateway.stop();
    }
  });
});
