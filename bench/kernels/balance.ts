import { LeastConnections } from "#wasm/binding/least-connections.ts";
import { PeakEwma } from "#wasm/binding/peak-ewma.ts";
import { SmoothRoundRobin } from "#wasm/binding/smooth-round-robin.ts";
import {
  leastConnectionsReference,
  peakEwmaChooseReference,
  peakEwmaEndReference,
  smoothRoundRobinReference,
} from "#wasm/reference/balance.ts";
import { measureInTurn } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOfAnswers, contender, latencyMsAt, weightAt, wordsAt } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const COUNT = 64;
const WEIGHTS = Array.from({ length: COUNT }, (_, index) => weightAt(index));
const TWO_CHOICES_IN_FLIGHT = 32;
const CONNECTIONS_IN_FLIGHT = 512;
const DECAY_MS = 10_000;

/** An operation with a state of its own, as c/balance.c has it. */
type Operation = (index: number) => number;

export async function benchBalance(): Promise<BenchRow[]> {
  return [
    await benchOperation("two choices: choose + start + end over 64", {
      c: "two-choices",
      own: twoChoices,
      twin: { of: twoChoicesTwin, operations: 256 },
    }),
    await benchOperation("least connections: choose + count + uncount over 64", {
      c: "least-connections",
      own: leastConnections,
      twin: { of: leastConnectionsTwin, operations: 16 },
    }),
    await benchOperation("smooth round robin: next over 64", {
      c: "round-robin",
      own: roundRobin,
      twin: { of: roundRobinTwin, operations: 64 },
    }),
  ];
}

interface OperationInput {
  /** What c/balance.c calls it. */
  readonly c: string;
  readonly own: () => Operation;
  readonly twin: { readonly of: () => Operation; readonly operations: number };
}

async function benchOperation(name: string, { c, own, twin }: OperationInput): Promise<BenchRow> {
  const { peers, missing } = cPeers({ program: "balance", args: [c, 60_000], checksum: checksumOfAnswers(own()) });
  const figures = await measureInTurn([contender("kernel", 1_024, own()), contender("twin", twin.operations, twin.of()), ...peers]);
  return rowOf({ name, figures, own: "kernel", missing: { npm: "no peer", ...missing } });
}

function twoChoices(): Operation {
  const shards = new PeakEwma(kernelsFor(131_072), COUNT, DECAY_MS);
  shards.reset(COUNT);
  const inFlight = new Uint32Array(TWO_CHOICES_IN_FLIGHT);
  let tick = 0;
  return (index) => {
    const nowMs = tick * 0.25;
    const chosen = shards.choose(wordsAt(index), nowMs);
    shards.start(chosen);
    const slot = tick % TWO_CHOICES_IN_FLIGHT;
    if (tick >= TWO_CHOICES_IN_FLIGHT) shards.end(inFlight[slot] ?? 0, latencyMsAt(index), nowMs);
    inFlight[slot] = chosen;
    tick += 1;
    return chosen;
  };
}

function twoChoicesTwin(): Operation {
  const endpoints = Array.from({ length: COUNT }, () => ({ costMs: 0, stampMs: 0, outstanding: 0, isOpen: true }));
  const inFlight = new Uint32Array(TWO_CHOICES_IN_FLIGHT);
  let tick = 0;
  return (index) => {
    const moment = { nowMs: tick * 0.25, decayMs: DECAY_MS };
    const chosen = peakEwmaChooseReference(endpoints, wordsAt(index), moment);
    const slot = tick % TWO_CHOICES_IN_FLIGHT;
    const [begun, ended] = [endpoints[chosen], endpoints[inFlight[slot] ?? 0]];
    if (begun !== undefined) begun.outstanding += 1;
    if (tick >= TWO_CHOICES_IN_FLIGHT && ended !== undefined) peakEwmaEndReference(ended, latencyMsAt(index), moment);
    inFlight[slot] = chosen;
    tick += 1;
    return chosen;
  };
}

function leastConnections(): Operation {
  const shards = new LeastConnections(kernelsFor(131_072), COUNT);
  shards.replace(WEIGHTS);
  const active = new Uint32Array(COUNT);
  const inFlight = new Uint32Array(CONNECTIONS_IN_FLIGHT);
  let tick = 0;
  const change = (shard: number, by: number): void => {
    const count = (active[shard] ?? 0) + by;
    active[shard] = count;
    shards.setActive(shard, count);
  };
  return (index) => {
    const chosen = shards.choose(index);
    const slot = tick % CONNECTIONS_IN_FLIGHT;
    if (tick >= CONNECTIONS_IN_FLIGHT) change(inFlight[slot] ?? 0, -1);
    change(chosen, 1);
    inFlight[slot] = chosen;
    tick += 1;
    return chosen;
  };
}

function leastConnectionsTwin(): Operation {
  const shards = WEIGHTS.map((weight) => ({ weight, active: 0, credit: 0 }));
  const inFlight = new Uint32Array(CONNECTIONS_IN_FLIGHT);
  let tick = 0;
  return (index) => {
    const chosen = leastConnectionsReference(shards, index);
    const slot = tick % CONNECTIONS_IN_FLIGHT;
    const [begun, ended] = [shards[chosen], shards[inFlight[slot] ?? 0]];
    if (tick >= CONNECTIONS_IN_FLIGHT && ended !== undefined) ended.active -= 1;
    if (begun !== undefined) begun.active += 1;
    inFlight[slot] = chosen;
    tick += 1;
    return chosen;
  };
}

function roundRobin(): Operation {
  const shards = new SmoothRoundRobin(kernelsFor(131_072), COUNT);
  shards.replace(WEIGHTS);
  return () => shards.next();
}

function roundRobinTwin(): Operation {
  const shards = WEIGHTS.map((weight) => ({ weight, active: 0, credit: 0 }));
  return () => smoothRoundRobinReference(shards);
}
