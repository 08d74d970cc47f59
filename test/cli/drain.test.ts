// tidegate drain --status: of which shard it tells.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { OPERATOR_KEY, sendJson, startFakeGateway } from "./fake-gateway.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

const SHARDS = ["echo-1", "echo-2"].map((shardId) => ({ shardId, state: "draining", reason: "drain", startedAtMs: 1, left: null }));

async function askStatus(shard: string) {
  const state = await temporaryFolder();
  await writeFile(join(state, "operator.key"), `${OPERATOR_KEY}\n`);
  const gateway = await startFakeGateway({ answer: (_, response) => sendJson(response, 200, { service: "echo", shards: SHARDS }) });
  return runCli(["drain", "echo", shard, "--status", "--json", "--url", gateway.url, "--state", state]);
}

it.for([
  { shard: "echo-2", told: ["echo-2"] },
  { shard: "all", told: ["echo-1", "echo-2"] },
])("tells of $shard how far it is", async ({ shard, told }) => {
  const { exitCode, stdout } = await askStatus(shard);
  expect(exitCode).toBe(0);
  expect((JSON.parse(stdout) as { shards: { shardId: string }[] }).shards.map(({ shardId }) => shardId)).toEqual(told);
});

it("fails for a shard that is not being drained, and names those that are", async () => {
  const { exitCode, stdout, stderr } = await askStatus("echo-999");
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain("shard echo-999 is not being drained, expected one of echo-1, echo-2, all");
});
