import { DDSketch, LogCollapsingLowestDenseDDSketch } from "@datadog/sketches-js";
import { CubicallyInterpolatedMapping } from "@datadog/sketches-js/dist/ddsketch/mapping/index.js";
import { CountMinSketch, HyperLogLog as PeerHyperLogLog, TopK as PeerTopK } from "bloom-filters";
import { CountMin } from "#wasm/binding/count-min.ts";
import { HyperLogLog } from "#wasm/binding/hyper-log-log.ts";
import { QuantileSketch } from "#wasm/binding/quantile-sketch.ts";
import { TopK } from "#wasm/binding/top-k.ts";
import { CountMinReference } from "#wasm/reference/count-min.ts";
import { HyperLogLogReference } from "#wasm/reference/hyper-log-log.ts";
import { QuantileSketchReference } from "#wasm/reference/quantile-sketch.ts";
import { TopKReference } from "#wasm/reference/top-k.ts";
import { measureInTurn, type Contender } from "../measure.ts";
import type { BenchRow } from "../report.ts";
import { cPeers } from "./c-peer.ts";
import { checksumOf, checksumOfAnswers, contender, keyAt, latencyMsAt, skewedKeyAt, wordsOf } from "./inputs.ts";
import { kernelsFor } from "./instance.ts";
import { rowOf } from "./row.ts";

const OPERATIONS = 1_024;
const OWN = "kernel";
const LATENCY_COUNT = 10_000;
const BIN_COUNT = 1_024;
const COLUMN_COUNT = 1_024;
const ROW_COUNT = 4;
const PRECISION = 10;
const ENTRY_COUNT = 64;
const KEY_COUNT = 65_536;

export async function benchSketch(): Promise<BenchRow[]> {
  const quantiles = sketchesOfLatencies();
  return [
    await benchOperation("quantile sketch: add a latency", {
      c: ["quantile-add", 1_000_000],
      checksum: quantiles.checksum,
      contenders: quantiles.adds,
    }),
    await benchOperation("quantile sketch: p99 of 10,000", {
      c: ["quantile-read", 5_000],
      checksum: quantiles.checksum,
      contenders: quantiles.reads,
    }),
    await benchCountMin(),
    ...(await benchDistinct()),
    await benchTopK(),
  ];
}

interface OperationInput {
  /** What c/sketch.c calls it, and how often it is to do it. */
  readonly c: readonly [string, number];
  readonly checksum: number;
  readonly contenders: readonly Contender[];
}

async function benchOperation(name: string, { c, checksum, contenders }: OperationInput): Promise<BenchRow> {
  const { peers, missing } = cPeers({ program: "sketch", args: c, checksum });
  return rowOf({ name, figures: await measureInTurn([...contenders, ...peers]), own: OWN, missing });
}

/** Each with 10,000 latencies; what is read is not what is added to. */
function sketchesOfLatencies(): { checksum: number; adds: Contender[]; reads: Contender[] } {
  const own = [filled(newQuantiles()), filled(newQuantiles())] as const;
  const twins = [
    filled(new QuantileSketchReference({ binCount: BIN_COUNT })),
    filled(new QuantileSketchReference({ binCount: BIN_COUNT })),
  ] as const;
  const plain = [filledPeer(new DDSketch({ relativeAccuracy: 0.01 })), filledPeer(new DDSketch({ relativeAccuracy: 0.01 }))] as const;
  const cubic = [filledPeer(cubicPeer()), filledPeer(cubicPeer())] as const;
  const checksum = checksumOf([own[1].quantile(0.5), own[1].quantile(0.99), own[1].sum].flatMap((value) => [...wordsOf(value ?? -1)]));
  return {
    checksum,
    adds: [
      contender(OWN, OPERATIONS, (index) => (own[0].add(latencyMsAt(index)) ? 1 : 0)),
      contender("twin", 64, (index) => (twins[0].add(latencyMsAt(index)) ? 1 : 0)),
      contender("DDSketch", OPERATIONS, (index) => {
        plain[0].accept(latencyMsAt(index));
        return 1;
      }),
      contender("DDSketch (cubic, 1,024 bins)", OPERATIONS, (index) => {
        cubic[0].accept(latencyMsAt(index));
        return 1;
      }),
    ],
    reads: [
      contender(OWN, 256, () => own[1].quantile(0.99) ?? 0),
      contender("twin", 4, () => twins[1].quantile(0.99) ?? 0),
      contender("DDSketch", 256, () => plain[1].getValueAtQuantile(0.99)),
      contender("DDSketch (cubic, 1,024 bins)", 256, () => cubic[1].getValueAtQuantile(0.99)),
    ],
  };
}

function newQuantiles(): QuantileSketch {
  return new QuantileSketch(kernelsFor(131_072), { binCount: BIN_COUNT });
}

function filled<Sketch extends { add(value: number): boolean }>(sketch: Sketch): Sketch {
  for (let index = 0; index < LATENCY_COUNT; index += 1) sketch.add(latencyMsAt(index));
  return sketch;
}

function filledPeer(sketch: DDSketch): DDSketch {
  for (let index = 0; index < LATENCY_COUNT; index += 1) sketch.accept(latencyMsAt(index));
  return sketch;
}

/** Its fastest mapping that needs few bins, and as many bins as the kernel. */
function cubicPeer(): DDSketch {
  const sketch = new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: 0.01, binLimit: BIN_COUNT });
  sketch.mapping = new CubicallyInterpolatedMapping(0.01);
  return sketch;
}

async function benchCountMin(): Promise<BenchRow> {
  const newSketch = (): CountMin => new CountMin(kernelsFor(131_072), { columnCount: COLUMN_COUNT });
  const [own, checked] = [newSketch(), newSketch()];
  const twin = new CountMinReference({ columnCount: COLUMN_COUNT });
  const peer = new CountMinSketch(COLUMN_COUNT, ROW_COUNT);
  return benchOperation("count-min: add a key of 12 characters", {
    c: ["count-min", 300_000],
    checksum: checksumOfAnswers((index) => checked.add(keyAt(index))),
    contenders: [
      contender(OWN, OPERATIONS, (index) => own.add(keyAt(index))),
      contender("twin", 64, (index) => twin.add(keyAt(index))),
      contender("bloom-filters", 16, (index) => {
        peer.update(keyAt(index));
        return peer.sum;
      }),
    ],
  });
}

async function benchDistinct(): Promise<BenchRow[]> {
  const newSketch = (): HyperLogLog => new HyperLogLog(kernelsFor(131_072), { precision: PRECISION });
  const [own, checked, twin] = [newSketch(), newSketch(), new HyperLogLogReference({ precision: PRECISION })];
  const peer = new PeerHyperLogLog(2 ** PRECISION);
  for (let index = 0; index < KEY_COUNT; index += 1) {
    checked.add(keyAt(index));
    twin.add(keyAt(index));
  }
  const checksum = checksumOf(wordsOf(checked.estimate));
  return [
    await benchOperation("distinct count: add a key of 12 characters", {
      c: ["distinct-add", 1_000_000],
      checksum,
      contenders: [
        contender(OWN, OPERATIONS, (index) => {
          own.add(keyAt(index));
          return 1;
        }),
        contender("twin", 64, (index) => {
          twin.add(keyAt(index));
          return 1;
        }),
        contender("bloom-filters", 16, (index) => {
          peer.update(keyAt(index));
          return 1;
        }),
      ],
    }),
    await benchOperation("distinct count: estimate of 65,536", {
      c: ["distinct-read", 50_000],
      checksum,
      contenders: [
        contender(OWN, 256, () => checked.estimate),
        contender("twin", 16, () => twin.estimate),
        contender("bloom-filters", 16, () => peer.count()),
      ],
    }),
  ];
}

async function benchTopK(): Promise<BenchRow> {
  const newTable = (): TopK => new TopK(kernelsFor(131_072), { capacity: ENTRY_COUNT });
  const [own, checked, twin] = [newTable(), newTable(), new TopKReference({ capacity: ENTRY_COUNT })];
  // Its count-min sketch gets as many columns and rows as ours.
  const peer = new PeerTopK(ENTRY_COUNT, Math.E / COLUMN_COUNT, Math.exp(-ROW_COUNT) * 1.01);
  for (let index = 0; index < KEY_COUNT; index += 1) checked.add(skewedKeyAt(index));
  const entries = checked.entries().map(({ key, count, countMin }) => checksumOf([Number(key.slice(7)), count, countMin]));
  return benchOperation("top-k of 64 entries: add a key of 12 characters", {
    c: ["top-k", 65_536],
    checksum: entries.reduce((sum, entry) => (sum + entry) >>> 0, 0),
    contenders: [
      contender(OWN, OPERATIONS, (index) => {
        own.add(skewedKeyAt(index));
        return 1;
      }),
      contender("twin", 16, (index) => {
        twin.add(skewedKeyAt(index));
        return 1;
      }),
      contender("bloom-filters", 16, (index) => {
        peer.add(skewedKeyAt(index));
        return 1;
      }),
    ],
  });
}
