import { TokenBucket as LimiterBucket } from "limiter";
import { AimdLimit, GradientLimit, VegasLimit, type AnswerSample } from "#wasm/binding/adaptive-limit.ts";
import { TokenBucket, type TokenRequest, type TokenVerdict } from "#wasm/binding/token-bucket.ts";
import { AimdLimitReference, GradientLimitReference, VegasLimitReference } from "#wasm/reference/adaptive-limit.ts";
import { TokenBucketReference } from "#wasm/reference/token-bucket.ts";
import { measureInTurn } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOfAnswers, contender, latencyMsAt } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const OPERATIONS = 1_024;
const OWN = "kernel";
const RATE = { tokens: 1_000, periodMs: 1_000, burst: 100 };
/** A token comes every millisecond: three takes in ten are refused. */
const TAKE_EVERY_MS = 0.7;
const ANSWER_EVERY_MS = 0.5;

export async function benchLimit(): Promise<BenchRow[]> {
  return [await benchBucket(), await benchGradient(), await benchAimd(), await benchVegas()];
}

async function benchBucket(): Promise<BenchRow> {
  const [own, checked, twin] = [newBucket(), newBucket(), new TokenBucketReference(RATE)];
  const peer = new LimiterBucket({ bucketSize: 1e9, tokensPerInterval: 1e9, interval: 1_000 });
  peer.content = 1e9;
  const checksum = checksumOfAnswers((tick) => waitMsOf(checked.take(requestAt(tick))));
  const { peers, missing } = cPeers({ program: "limit", args: ["bucket", 1_000_000], checksum });
  const figures = await measureInTurn([
    contender(OWN, OPERATIONS, (_, tick) => waitMsOf(own.take(requestAt(tick)))),
    contender("twin", OPERATIONS, (_, tick) => waitMsOf(twin.take(requestAt(tick)))),
    // Reads the clock by itself, so nothing can set when it refuses: it never does here.
    contender("limiter (with its clock)", OPERATIONS, () => (peer.tryRemoveTokens(1) ? 0 : 1)),
    contender("performance.now(), which limiter reads", OPERATIONS, () => performance.now()),
    ...peers,
  ]);
  return rowOf({ name: "token bucket: take", figures, own: OWN, missing });
}

function newBucket(): TokenBucket {
  return new TokenBucket(kernelsFor(131_072), RATE);
}

function requestAt(tick: number): TokenRequest {
  return { cost: 1, nowMs: tick * TAKE_EVERY_MS };
}

function waitMsOf(verdict: TokenVerdict): number {
  return verdict.ok ? 0 : verdict.retryAfterMs;
}

async function benchGradient(): Promise<BenchRow> {
  const [own, checked, twin] = [newGradient(), newGradient(), new GradientLimitReference()];
  const checksum = checksumOfAnswers((tick) => checked.observe(sampleAt(tick, tick)));
  const { peers, missing } = cPeers({ program: "limit", args: ["gradient", 1_000_000], checksum });
  const figures = await measureInTurn([
    contender(OWN, OPERATIONS, (index, tick) => own.observe(sampleAt(index, tick))),
    contender("twin", OPERATIONS, (index, tick) => twin.observe(sampleAt(index, tick))),
    ...peers,
  ]);
  return rowOf({ name: "adaptive limit: one sample", figures, own: OWN, missing: { npm: "no peer", ...missing } });
}

function newGradient(): GradientLimit {
  return new GradientLimit(kernelsFor(131_072));
}

async function benchAimd(): Promise<BenchRow> {
  const [own, checked, twin] = [newAimd(), newAimd(), new AimdLimitReference()];
  const checksum = checksumOfAnswers((tick) => checked.observe(sampleAt(tick, tick)));
  const { peers, missing } = cPeers({ program: "limit", args: ["aimd", 1_000_000], checksum });
  const figures = await measureInTurn([
    contender(OWN, OPERATIONS, (index, tick) => own.observe(sampleAt(index, tick))),
    contender("twin", OPERATIONS, (index, tick) => twin.observe(sampleAt(index, tick))),
    ...peers,
  ]);
  return rowOf({ name: "adaptive limit, AIMD: one sample", figures, own: OWN, missing: { npm: "no peer", ...missing } });
}

function newAimd(): AimdLimit {
  return new AimdLimit(kernelsFor(131_072));
}

async function benchVegas(): Promise<BenchRow> {
  const [own, checked, twin] = [newVegas(), newVegas(), new VegasLimitReference()];
  const checksum = checksumOfAnswers((tick) => checked.observe(sampleAt(tick, tick)));
  const { peers, missing } = cPeers({ program: "limit", args: ["vegas", 1_000_000], checksum });
  const figures = await measureInTurn([
    contender(OWN, OPERATIONS, (index, tick) => own.observe(sampleAt(index, tick))),
    contender("twin", OPERATIONS, (index, tick) => twin.observe(sampleAt(index, tick))),
    ...peers,
  ]);
  return rowOf({ name: "adaptive limit, Vegas: one sample", figures, own: OWN, missing: { npm: "no peer", ...missing } });
}

function newVegas(): VegasLimit {
  return new VegasLimit(kernelsFor(131_072));
}

function sampleAt(index: number, tick: number): AnswerSample {
  return { nowMs: tick * ANSWER_EVERY_MS, latencyMs: latencyMsAt(index), inFlight: 10 + (index % 32), dropped: index % 97 === 0 };
}
