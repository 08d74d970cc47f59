import { describe, expect, it } from "vitest";
import { Fleet } from "#durable/pool/fleet/fleet.ts";
import { RetiredAgents } from "#durable/pool/capacity/retired-agents.ts";
import { StaticProvider } from "#durable/pool/capacity/static-provider.ts";
import type { CapacityAnswer, CapacityProvider, CapacityUnit } from "#shared/protocol/capacity-provider.ts";

const AGENT = "http://127.0.0.1:9300";
const CURRENT = new StaticProvider({
  endpoints: [{ url: "https://e.example", capacity: 10, pricePerHour: 1, region: undefined }],
  units: [],
});
const SILENT = { ok: false, reason: "unavailable", detail: "cannot be reached" } as const;

function unitOf(unitId: string, state: CapacityUnit["state"]): CapacityUnit {
  const url = state === "ready" ? `http://127.0.0.1:2${unitId.slice(-1)}000` : null;
  return { unitId, offerId: `${AGENT} process`, service: "svc", state, url, slots: 10, pricePerHour: 0, failure: null };
}

/** An agent that is gone where `units` is null. */
function agentOf(units: CapacityUnit[] | null): { readonly provider: CapacityProvider; readonly stopped: string[] } {
  const stopped: string[] = [];
  const provider: Partial<CapacityProvider> = {
    units: async () => (units === null ? SILENT : { ok: true, value: units.map((unit) => ({ ...unit, offerId: "process" })) }),
    stop: async (unitId): Promise<CapacityAnswer<null>> => {
      stopped.push(unitId);
      return units === null ? SILENT : { ok: true, value: null };
    },
  };
  return { provider: provider as CapacityProvider, stopped };
}

describe("an agent that left the configuration", () => {
  it("sells nothing; what serves there is drained, what is about to is ended", async () => {
    const sold = [unitOf("svc-1", "ready"), unitOf("svc-2", "starting"), unitOf("svc-3", "ready")];
    const { provider } = agentOf(sold.slice(0, 2));
    const beside = new RetiredAgents(() => provider).beside(CURRENT, sold);
    expect(await beside.offers()).toMatchObject({ value: [{ offerId: "https://e.example" }] });
    expect(await beside.units("svc")).toMatchObject({
      value: [
        { unitId: "svc-1", state: "draining", offerId: `${AGENT} process` },
        { unitId: "svc-2", state: "failed", failure: "its agent has left the configuration" },
      ],
    });
    expect(await beside.start("svc-2")).toMatchObject({ ok: false, reason: "conflict" });
  });

  it("need not answer: what is known of it is drained, and forgotten when thirty stops were not taken", async () => {
    const { provider, stopped } = agentOf(null);
    const retired = new RetiredAgents(() => provider);
    const beside = (): CapacityProvider => retired.beside(CURRENT, [unitOf("svc-1", "ready")]);
    expect(await beside().units("svc")).toMatchObject({ value: [{ unitId: "svc-1", state: "draining" }] });
    const answers = [];
    for (let count = 0; count < 30; count += 1) answers.push((await beside().stop("svc-1")).ok);
    expect([answers.indexOf(true), stopped.length]).toEqual([29, 30]);
  });

  it("keeps no shard in service, and each unit is stopped there once nothing runs on it", async () => {
    const { provider, stopped } = agentOf([unitOf("svc-1", "ready")]);
    const fleet = new Fleet();
    fleet.adopt([unitOf("svc-1", "ready")], 0);
    const retired = new RetiredAgents(() => provider);
    let out = 1;
    const round = async (nowMs: number): Promise<void> => {
      const capacity = retired.beside(CURRENT, fleet.unitsOf("svc"));
      const listed = await capacity.units("svc");
      if (listed.ok) fleet.observe(listed.value, nowMs);
      fleet.follow({
        nowMs,
        policy: {
          service: "svc",
          shardSlots: 10,
          sizeMin: 5,
          sizeMax: 10,
          countMax: 5,
          countLeast: 0,
          stepMax: 5,
          costPerHourMax: 100,
          startMs: 1_000,
          mode: "act",
        },
        offers: [],
        waitingCount: 0,
        refusingMs: () => 0,
        slotsOut: () => out,
        socketsOn: () => 0,
        nextShardId: () => "svc-9",
      });
      for (const call of fleet.calls) if (call.verb === "stop") fleet.takeAnswer(call, await capacity.stop(call.unitId), nowMs);
    };
    await round(1_000);
    expect(fleet.table).toMatchObject([{ shardId: "svc-1", state: "draining" }]);
    expect(stopped).toEqual([]);
    out = 0;
    await round(2_000);
    expect([fleet.table, stopped, fleet.isEmpty]).toEqual([[], ["svc-1"], true]);
  });
});
