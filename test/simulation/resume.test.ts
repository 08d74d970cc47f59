import { describe, expect, it } from "vitest";
import { stepDevice } from "#shared/resume/step-device.ts";
import { stepGateway } from "#shared/resume/step-gateway.ts";
import { handleOnce } from "#client/message-dedupe.ts";
import { firstFailure } from "./first-failure.ts";
import {
  MACHINES,
  ResumeSimulation,
  type EndpointMode,
  type Machines,
  type SimulationOptions,
  type SimulationResult,
} from "./resume-simulation.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const SEEDS = IS_LONG ? 10_000 : 200;
const STORM_MS = 60_000;
const MODES: readonly EndpointMode[] = ["http", "websocket"];

async function run(seed: number, options: SimulationOptions): Promise<SimulationResult> {
  return new ResumeSimulation(seed, options).run({ stormMs: STORM_MS });
}
const runOf =
  (options: SimulationOptions) =>
  async (seed: number): Promise<unknown> =>
    run(seed, options);

describe("resume under faults", () => {
  it.for(MODES)(
    `shows every application what the other sent, for ${SEEDS} seeds of a %s endpoint`,
    { timeout: 1_800_000 },
    async (mode) => {
      expect(await firstFailure(runOf({ mode }), { seeds: SEEDS })).toBeNull();
    },
  );

  it.for(MODES)(
    `does so while sessions move between three shards, for ${SEEDS} seeds of a %s endpoint`,
    { timeout: 1_800_000 },
    async (mode) => {
      expect(await firstFailure(runOf({ mode, shardCount: 3 }), { seeds: SEEDS })).toBeNull();
    },
  );

  // Three messages or so.
  const windowBytes = 24;

  it.for(MODES)(
    `does so in a window of ${windowBytes} bytes each way, while sessions move, for ${SEEDS} seeds of a %s endpoint`,
    { timeout: 1_800_000 },
    async (mode) => {
      expect(await firstFailure(runOf({ mode, shardCount: 3, windowBytes }), { seeds: SEEDS })).toBeNull();
    },
  );

  it.for(MODES)(
    `does so with a device that knows nothing of that window, for ${SEEDS} seeds of a %s endpoint`,
    { timeout: 1_800_000 },
    async (mode) => {
      expect(
        await firstFailure(runOf({ mode, windowBytes, machines: { ...MACHINES, stepDevice: stepOldDevice } }), { seeds: SEEDS }),
      ).toBeNull();
    },
  );

  it.for([
    { what: "three moves that its device did not hear of", seed: 3_353 },
    { what: "a handing over that waited while the session went and came back as a copy", seed: 3_683 },
  ])("outlives $what", async ({ seed }) => {
    await expect(run(seed, { mode: "websocket", shardCount: 3 })).resolves.toBeDefined();
  });

  it("replays a seed exactly, and meets what it is for", async () => {
    for (const shardCount of [1, 3]) expect(await run(7, { mode: "http", shardCount })).toEqual(await run(7, { mode: "http", shardCount }));
    const resultsOf = async (count: number, options: SimulationOptions): Promise<SimulationResult[]> =>
      Promise.all(Array.from({ length: count }, async (_, seed) => run(seed, options)));
    const total = (results: readonly SimulationResult[], pick: (result: SimulationResult) => number): number =>
      results.reduce((sum, result) => sum + pick(result), 0);
    const results = await resultsOf(20, { mode: "http" });
    expect(total(results, ({ connections }) => connections)).toBeGreaterThan(50);
    for (const why of ["closed", "expired"]) expect(total(results, ({ ends }) => ends[why] ?? 0)).toBeGreaterThan(0);
    expect(total(results, ({ repeatedAtEndpoint }) => repeatedAtEndpoint)).toBeGreaterThan(10);
    expect(total(await resultsOf(5, { mode: "websocket" }), ({ lostAtEndpoint }) => lostAtEndpoint)).toBeGreaterThan(0);
    for (const mode of MODES) {
      const moving = await resultsOf(20, { mode, shardCount: 3 });
      expect(total(moving, ({ moves }) => moves["here"] ?? 0)).toBeGreaterThan(50);
      for (const how of ["stays", "unsure"]) expect(total(moving, ({ moves }) => moves[how] ?? 0)).toBeGreaterThan(3);
    }
  });
});

/** Of a version that was not told a window. */
const stepOldDevice: typeof stepDevice = (state, input, nowMs) => {
  if (input.kind !== "frame" || (input.frame.type !== "welcome" && input.frame.type !== "resumed")) return stepDevice(state, input, nowMs);
  const { windowBytes: _, ...frame } = input.frame;
  return stepDevice(state, { ...input, frame }, nowMs);
};

/** A session's part of the memory is whatever comes. */
const WITHOUT_WINDOW: Machines = {
  ...MACHINES,
  stepDevice: stepOldDevice,
  stepGateway: (state, input, nowMs) => {
    const { windowBytes: _, ...unaware } = state;
    return stepGateway(unaware, input, nowMs);
  },
};

/** The token that a device may still have is worth nothing as soon as its successor was sent. */
const WITHOUT_OLD_TOKEN: Machines = {
  ...MACHINES,
  stepGateway: (state, input, nowMs) => {
    const step = stepGateway(state, input, nowMs);
    const { current, next } = step.state.tokens;
    return { ...step, state: { ...step.state, tokens: { current: next ?? current, next: null } } };
  },
};

/** A message is acknowledged when it came, not when it is the endpoint's. */
const ACKNOWLEDGED_EARLY: Machines = {
  ...MACHINES,
  stepGateway: (state, input, nowMs) => {
    const step = stepGateway(state, input, nowMs);
    const delivered = step.effects.flatMap((effect) => (effect.kind === "deliver" ? [effect.message.sequence] : []));
    const early = delivered.map(
      (sequence) => ({ kind: "transmit", attempt: step.state.attempt, frame: { type: "ack", sequence } }) as const,
    );
    return { ...step, effects: [...step.effects, ...early] };
  },
};

/** What is on its way to the endpoint is taken for new when the device sends it again. */
const WITHOUT_DUPLICATES: Machines = {
  ...MACHINES,
  stepGateway: (state, input, nowMs) => {
    const step = stepGateway(state, input, nowMs);
    if (input.kind !== "frame" || input.frame.type !== "message" || input.frame.sequence > state.received + state.pending.length)
      return step;
    return { ...step, effects: [...step.effects, { kind: "deliver", message: input.frame }] };
  },
};

describe("canary: the simulation catches a gateway that", () => {
  it.for([
    { name: "is on disk after it answered", machines: { ...MACHINES, isOnDiskFirst: false }, says: /saw|lives|not acknowledged|missed/ },
    { name: "ends a token before its successor was used", machines: WITHOUT_OLD_TOKEN, says: /told unknown, but its session lives/ },
    { name: "acknowledges what the endpoint does not have", machines: ACKNOWLEDGED_EARLY, says: /saw|arrived|after the storm/ },
    {
      name: "has an endpoint without the helper",
      machines: {
        ...MACHINES,
        handleOnce: (state, request, handle) => handleOnce({ ...state, handled: request.first - 1 }, request, handle),
      } satisfies Machines,
      says: /the endpoint saw/,
    },
    { name: "takes a repeated message for a new one", machines: WITHOUT_DUPLICATES, says: /the endpoint saw/ },
    { name: "takes what its window does not hold", machines: WITHOUT_WINDOW, windowBytes: 24, says: /a session keeps \d+ bytes one way/ },
  ])("$name", async ({ says, ...broken }) => {
    expect(await firstFailure(runOf({ mode: "http", ...broken }), { seeds: 200 })).toMatch(says);
  });

  it.for<{ name: string; movesWithout: NonNullable<Machines["movesWithout"]>; first?: number }>([
    { name: "lets a session in where its copy is, before the move is confirmed", movesWithout: "confirming" },
    { name: "gives a session away that was needed meanwhile", movesWithout: "use" },
    { name: "takes a session over twice at a time, and throws the copy of one call away with the other's", movesWithout: "turns" },
    { name: "lets a session in by an older token where there is a copy only", movesWithout: "asking" },
    { name: "says of a session that has just gone on that there is none", movesWithout: "pointing" },
    { name: "takes the call of an earlier move for that of a later one", movesWithout: "naming", first: 1_082 },
    { name: "forgets where a session is that came back for a moment", movesWithout: "returning", first: 873 },
  ])("$name", { timeout: 120_000 }, async ({ movesWithout, first }) => {
    const machines = { ...MACHINES, movesWithout };
    expect(await firstFailure(runOf({ mode: "websocket", machines, shardCount: 3 }), { seeds: 2_000, first })).toMatch(
      /2 shards have|saw|its session lives|the storm/,
    );
  });
});
