import { expect, it } from "vitest";
import * as answers from "#durable/shard/shard-answers.ts";
import { SOCKET_REFUSAL_HEADER } from "#shared/protocol/shard-rpc.ts";

it.for([answers.FULL, answers.DRAINING, answers.MOVING, answers.NO_SLOT])("a Shard object says that it decided: $detail", (refusal) => {
  const told = JSON.parse(answers.refusal(refusal).headers.get(SOCKET_REFUSAL_HEADER) ?? "null") as unknown;
  expect(told).toMatchObject({ ok: false, outcome: "rejected-capacity", decidedBy: "shard", detail: refusal.detail });
});
