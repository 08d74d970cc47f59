// explain: what it asks the gateway, and how it tells the account.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { OPERATOR_KEY, sendJson, sendProblem, startFakeGateway, type FakeGatewayOptions } from "./fake-gateway.ts";
import { runCli, temporaryFolder } from "./run-cli.ts";

const ACCOUNT = {
  requestId: "00112233445566778899-1z",
  outcome: "rejected-quota",
  decidedBy: "lease",
  elapsedMs: 12,
  configurationVersion: 3,
  retryAfterMs: 400,
  queue: { position: 3, length: 12, waitMs: 250 },
  lease: { slots: 5, running: 5, tokens: 0, expiresInMs: 1_500 },
  at: "2026-11-21T15:00:00.000Z",
  status: 429,
  title: "You, your tenant or your class is over its limit",
  identifier: { service: "echo", tenant: "acme", className: "gold", device: "d-17", urgency: 1 },
  violated: [
    { policy: "gold-rate", kind: "rate", quota: 1_000, windowMs: 2_000, remaining: 0, resetAfterMs: 400 },
    { policy: "total-cpu", kind: "total-cpu", quota: 100, windowMs: 1_000, remaining: 0 },
    { policy: "echo-capacity", kind: "capacity", quota: 0, remaining: 0 },
  ],
  configurationVersionNow: 4,
};

async function setUp(answer: NonNullable<FakeGatewayOptions["answer"]>) {
  const state = await temporaryFolder();
  await writeFile(join(state, "operator.key"), `${OPERATOR_KEY}\n`);
  const gateway = await startFakeGateway({ answer });
  return { gateway, options: ["--url", gateway.url, "--state", state] };
}

it.for([
  { name: "the id", argument: "AbC-_9" },
  { name: "the instance", argument: "/v1/explain?id=AbC-_9" },
  { name: "the instance as an address", argument: "https://gateway.example/v1/explain?id=AbC-_9#x" },
])("asks as the operator, given $name", async ({ argument }) => {
  const { gateway, options } = await setUp((_, response) => sendJson(response, 200, ACCOUNT));
  expect((await runCli(["explain", argument, ...options])).exitCode).toBe(0);
  expect(gateway.requests).toMatchObject([
    { method: "GET", path: "/v1/explain?id=AbC-_9", headers: { authorization: `Bearer ${OPERATOR_KEY}` } },
  ]);
});

it("tells the account in words", async () => {
  const { options } = await setUp((_, response) => sendJson(response, 200, ACCOUNT));
  expect((await runCli(["explain", "x", ...options])).stdout).toBe(
    `429 rejected-quota: You, your tenant or your class is over its limit
  decided    2026-11-21T15:00:00.000Z at the edge, on the pool's last word, 12 ms after the request came
  request    00112233445566778899-1z, configuration version 3 (now 4)
  caller     tenant acme, device d-17, class gold, urgency 1, service echo
  limit      gold-rate: 0 left of 1000 in 2 s, more in 400 ms
  limit      total-cpu: 0 left of 100 ms of service time in 1 s
  limit      echo-capacity
  waited     250 ms; 12 of its tenant and class still wait, at most 2 in all go before a newcomer
  lease      5 slots, 5 running, 0 tokens, 1500 ms left
  come back  in 400 ms or later
`,
  );
});

it("prints the account as it came with --json", async () => {
  const { options } = await setUp((_, response) => sendJson(response, 200, ACCOUNT));
  expect(JSON.parse((await runCli(["explain", "x", "--json", ...options])).stdout)).toEqual(ACCOUNT);
});

it.for([
  {
    name: "an id that cannot be opened",
    answer: ((_, response) =>
      sendProblem(response, { status: 400, outcome: "bad-instance", detail: "The id was changed." })) as FakeGatewayOptions["answer"],
    says: "Cannot explain AbC: The id was changed.",
  },
  {
    name: "another credential",
    answer: ((_, response) =>
      sendProblem(response, { status: 401, outcome: "unauthorized", detail: "Not the operator's." })) as FakeGatewayOptions["answer"],
    says: /^Cannot explain the id: \S+ answered 401 \(Not the operator's\.\), expected 200$/,
  },
  {
    name: "an answer that is no account",
    answer: ((_, response) => sendJson(response, 200, {})) as FakeGatewayOptions["answer"],
    says: /^Cannot explain AbC: \S+ answered something else, expected an account$/,
  },
])("fails with the gateway's reason for $name", async ({ answer, says }) => {
  const { options } = await setUp(answer ?? (() => undefined));
  const { exitCode, stderr } = await runCli(["explain", "AbC", ...options]);
  expect(exitCode).toBe(1);
  if (typeof says === "string") expect(stderr.trim()).toBe(says);
  else expect(stderr.trim()).toMatch(says);
});
