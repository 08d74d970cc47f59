// The faults of the simulation against a real object: holders renew, ask, return, fall silent; the object is evicted among
// them. What runs at all holders together never exceeds the endpoint, and everything comes back.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { beforeAll, it } from "vitest";
import { HeldLease } from "#shared/lease/held-lease.ts";
import { applyServices } from "../../support/worker/configuration.ts";
import { tellPool } from "../../support/worker/exchange.ts";
import { seededRandom } from "#test/wasm/seeded-random.ts";

const FLOW = "acme/gold";
const CAPACITY = 9;
const STEP_COUNT = 250;
const NO_TELEMETRY = { flows: [], shards: [], edge: {} };

interface Holder {
  readonly lease: HeldLease;
  /** Names of those that were granted by name; empty: of the lease. */
  readonly running: string[];
  isAlive: boolean;
}

const SEEDS = [1, 2, 3];
const serviceOf = (seed: number) => `faults-${seed}`;
let version: number;

beforeAll(async () => {
  const more = { requestDurationMsMax: 1_000, deadlineMs: 1_000 };
  version = await applyServices(SEEDS.map((seed) => ({ service: serviceOf(seed), capacity: CAPACITY, more })));
});

// Each has a pool of its own, and waits most of its time.
it.for(SEEDS)(
  "holds an endpoint's capacity over holders that fail and an object that is evicted, seed %i",
  { timeout: 60_000, concurrent: true },
  async (seed, { expect }) => {
    const random = seededRandom(seed);
    const service = serviceOf(seed);
    const lane = `https://${service}.example`;
    const stub = env.POOL.get(env.POOL.idFromName(service));
    let holderCount = 0;
    const join = (): Holder => {
      holderCount += 1;
      return { lease: new HeldLease(`h${holderCount}`), running: [], isAlive: true };
    };
    const holders = [join(), join(), join()];

    const renew = async ({ lease }: Holder): Promise<void> => {
      const want = random.below(8);
      const request = lease.request({ flows: [{ flow: FLOW, want, tokensWant: 0 }], lanes: [{ lane, want }] }, Date.now());
      const message = { service, configurationVersion: version, tableVersion: 0, lease: request, telemetry: NO_TELEMETRY };
      const answer = await stub.renew(message);
      // Some answers are lost, some come twice.
      if (random.below(8) === 0) return;
      lease.apply(answer.lease, Date.now());
      if (random.below(8) === 0) expect(lease.apply((await stub.renew(message)).lease, Date.now())).toBe(false);
    };
    const ask = async (holder: Holder, slotId: string): Promise<void> => {
      const { lease } = holder;
      const askedAtMs = Date.now();
      const clockEpoch = lease.clockEpoch(askedAtMs);
      const kind = "request";
      const request = {
        slotId,
        holder: lease.holder,
        service,
        flow: FLOW,
        urgency: 3,
        affinityKey: null,
        kind,
        waitMsMax: 20,
        configurationVersion: version,
      };
      const answer = await stub.acquire({ ...request, kind });
      if (!answer.ok || random.below(8) === 0) return;
      const { endpointUrl, waitedMs, lifeMs } = answer.slot;
      const taken = { flow: FLOW, lane: endpointUrl, endsAtMs: askedAtMs + waitedMs + lifeMs, clockEpoch };
      if (lease.take(slotId, taken, Date.now())) holder.running.push(slotId);
    };
    const finish = async ({ lease, running }: Holder): Promise<void> => {
      const slotId = running.shift();
      if (slotId === undefined) return;
      if (lease.end(FLOW, lane, slotId === "" ? undefined : slotId) && random.below(2) === 0)
        await tellPool(stub, { service, holder: lease.holder, returned: [slotId] });
    };
    /** What the rules tell a holder to end. */
    const cut = ({ lease, running }: Holder): void => {
      while (lease.isExcess(FLOW, lane, Date.now())) lease.end(FLOW, lane, running.pop() || undefined);
    };

    for (let step = 1; step <= STEP_COUNT; step += 1) {
      const alive = holders.filter(({ isAlive }) => isAlive);
      const holder = alive[random.below(alive.length)];
      if (holder === undefined) throw new Error("somebody is alive");
      const dice = random.below(40);
      if (dice < 12) await renew(holder);
      else if (dice < 24) while (holder.lease.admit(FLOW, lane, { nowMs: Date.now() })) holder.running.push("");
      else if (dice < 30) await ask(holder, `r-${seed}-${step}`);
      else if (dice < 37) await finish(holder);
      else if (dice < 38) await evictDurableObject(stub);
      else if (dice < 39 && alive.length > 1) {
        // What it runs ends with it: the ledger knows better only when its holds end.
        holder.isAlive = false;
        holder.running.length = 0;
      } else if (alive.length < 5) holders.push(join());
      for (const one of holders) cut(one);
      const running = holders.reduce((sum, one) => sum + one.running.length, 0);
      expect(running, `step ${step}`).toBeLessThanOrEqual(CAPACITY);
    }

    expect((await stub.stats(service, version)).counters.slotsOvershot).toBe(0);
    const out = async (): Promise<number> =>
      (await stub.stats(service, version)).endpoints.reduce((sum, { slotsOut }) => sum + slotsOut, 0);
    // The longest lease, and the holds of what was named in it.
    await expect.poll(out, { timeout: 30_000, interval: 200 }).toBe(0);
  },
);
