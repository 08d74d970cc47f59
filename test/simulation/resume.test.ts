import { describe, expect, it } from "vitest";
import { stepGateway } from "#shared/resume/gateway-session.ts";
import { handleOnce } from "#client/message-dedupe.ts";
import { MACHINES, ResumeSimulation, type EndpointMode, type Machines, type SimulationResult } from "./resume-simulation.ts";

const IS_LONG = process.env["TIDEGATE_LONG"] === "1";
const SEEDS = IS_LONG ? 10_000 : 200;
const STORM_MS = 60_000;
const MODES: readonly EndpointMode[] = ["http", "websocket"];

/** The first seed that fails, with what it says; null: none did. */
function firstFailure(mode: EndpointMode, seeds: number, machines: Machines = MACHINES): string | null {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      run(seed, mode, machines);
    } catch (error) {
      return `seed ${seed}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return null;
}

function run(seed: number, mode: EndpointMode, machines: Machines = MACHINES): SimulationResult {
  return new ResumeSimulation(seed, mode, machines).run({ stormMs: STORM_MS });
}

describe("resume under faults", () => {
  it.for(MODES)(`shows every application what the other sent, for ${SEEDS} seeds of a %s endpoint`, { timeout: 1_800_000 }, (mode) => {
    expect(firstFailure(mode, SEEDS)).toBeNull();
  });

  it("replays a seed exactly, and meets what it is for", () => {
    expect(run(7, "http")).toEqual(run(7, "http"));
    const results = Array.from({ length: 20 }, (_, seed) => run(seed, "http"));
    const total = (pick: (result: SimulationResult) => number): number => results.reduce((sum, result) => sum + pick(result), 0);
    expect(total(({ connections }) => connections)).toBeGreaterThan(50);
    for (const why of ["closed", "expired"]) expect(total(({ ends }) => ends[why] ?? 0)).toBeGreaterThan(0);
    expect(total(({ repeatedAtEndpoint }) => repeatedAtEndpoint)).toBeGreaterThan(10);
    expect(
      Array.from({ length: 5 }, (_, seed) => seed).reduce((sum, seed) => sum + run(seed, "websocket").lostAtEndpoint, 0),
    ).toBeGreaterThan(0);
  });
});

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
  ])("$name", ({ machines, says }) => {
    expect(firstFailure("http", 200, machines)).toMatch(says);
  });
});
