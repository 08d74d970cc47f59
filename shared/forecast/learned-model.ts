// The model with priors learned from many series, beside the hand-written ones: an hour's day and week only.
import { ConstantsReader } from "./constants-reader.ts";
import {
  DAY_AND_WEEK,
  LAST,
  PRIOR_FREE_HALF,
  priorFreeModel,
  PROFILE_COUNT,
  YESTERDAY,
  type NetLayer,
  type Nets,
  type RegressionPrior,
  type SeasonalModel,
} from "./seasonal-model.ts";

/** What scripts/learn-forecast-constants.ts wrote, little-endian, without padding: u8 format, the prior on logs, the raw one, the nets. */
const CONSTANTS_FORMAT = 2;

/** Regressions on logs look at these; the raw scale's lags are those without training. */
const LOG_LAGS = [1, 2, 3, 4, 12, 23, 24, 25, 47, 48, 49, 71, 72, 73, 96, 120, 143, 144, 145, 167, 168, 169, 170];
/** Shares in the order of the experts: on logs learned and by hand, raw learned and by hand, smoother, yesterday, last. */
const PRIOR_FREE_SHARES = [0, 1, 0, 1, 3, 1, 0];
/** Then of the mixture that was not learned. */
const LEARNED = { shares: [1, 0, 1, 0, 1, 0, 0, 1], eta: 7 };
const Column = {
  learnedLog: 0,
  handLog: 1,
  learnedRaw: 2,
  handRaw: 3,
  smoother: 4,
  yesterday: 5,
  last: 6,
  priorFree: 7,
  corrected: 9,
} as const;
/** Inputs of the nets: of an origin, of a step (wasm/assembly/forecast/net-inputs.ts). */
const ORIGIN_INPUT_COUNT = 36;
const INPUT_COUNT = 69;
const QUANTILE_COUNT = 11;
const LAYER_COUNT = 3;
const HIDDEN_MAX = 32;
/** Validation. */
const GATE_SHARE = 0.75;
const STRETCH = 1.08;
/** The regressions' first forecasts have matured then. */
const CORRECT_FROM = 168 + 4 * 24;

/** The hand-written cluster's share, and the deviation of what it does not speak of. */
const HAND_SHARE = 0.05;
const OTHER_DEVIATION = 0.03;

/** By the model's choices. */
export const LearnedChoice = { learned: 0, priorFree: 1 } as const;

/** Throws RangeError where the bytes are no such constants. */
export function learnedModel(constants: Uint8Array): SeasonalModel {
  const byHand = priorFreeModel(DAY_AND_WEEK);
  const reader = new ConstantsReader(constants);
  const format = reader.uint8();
  if (format !== CONSTANTS_FORMAT) throw new RangeError(`Cannot decode constants: format is ${format}, expected ${CONSTANTS_FORMAT}`);
  const log = readPrior(reader, LOG_LAGS.length + PROFILE_COUNT + 1);
  const raw = readPrior(reader, byHand.lags.raw.length + 1);
  const nets = readNets(reader);
  if (reader.at !== constants.length) throw new RangeError(`Cannot decode constants: ${constants.length} bytes, expected ${reader.at}`);
  const handLog = byHand.priors.log.map((prior) => amongLags(prior, byHand.lags.log));
  return {
    ...byHand,
    lags: { log: LOG_LAGS, raw: byHand.lags.raw },
    priors: {
      log: [...handLog.map((hand) => withHandCluster(log, hand)), ...handLog],
      raw: [raw, ...byHand.priors.raw],
    },
    mixtures: [...byHand.mixtures.map((mixture) => ({ ...mixture, shares: PRIOR_FREE_SHARES })), LEARNED],
    choices: [
      { column: Column.corrected, share: 1, half: 2.3 },
      { column: Column.priorFree, share: 0.4, half: PRIOR_FREE_HALF },
      { column: Column.last, ...LAST },
      { column: Column.yesterday, ...YESTERDAY },
    ],
    nets,
  };
}

// The same prior where its lags are some among more.
function amongLags(prior: RegressionPrior, lags: readonly number[]): RegressionPrior {
  const features = prior.features.map((feature) => {
    const lag = lags[feature];
    return lag === undefined ? feature - lags.length + LOG_LAGS.length : LOG_LAGS.indexOf(lag);
  });
  return { ...prior, features };
}

/** What a learned mixture prior knows nothing of: the hand-written prior, all other coefficients near 0, as one more cluster. */
function withHandCluster({ features, kappa, clusters }: RegressionPrior, hand: RegressionPrior): RegressionPrior {
  const [cluster] = hand.clusters;
  const places = features.map((feature) => hand.features.indexOf(feature));
  const means = places.map((place) => cluster?.means[place] ?? 0);
  const diagonal = places.map((place) => cluster?.root[place] ?? 1 / OTHER_DEVIATION);
  const root = diagonal.flatMap((entry, row) => [...Array.from({ length: row }, () => 0), entry]);
  const learned = clusters.map((one) => ({ ...one, logShare: one.logShare + Math.log(1 - HAND_SHARE) }));
  return { features, kappa, clusters: [...learned, { logShare: Math.log(HAND_SHARE), means, root }] };
}

/**
 * u8 order, u8 clusters, f32 kappa; of each cluster f32 log share, `order` × f16 mean, `order` × f16 scale of a row, then the
 * rows of the triangle as int8: an entry is its row's scale × itself.
 */
function readPrior(reader: ConstantsReader, expectedOrder: number): RegressionPrior {
  const order = reader.uint8();
  if (order !== expectedOrder) throw new RangeError(`Cannot decode constants: a prior's order is ${order}, expected ${expectedOrder}`);
  const clusterCount = reader.uint8();
  const kappa = reader.float32();
  const clusters = Array.from({ length: clusterCount }, () => {
    const logShare = reader.float32();
    const means = Array.from({ length: order }, () => reader.float16());
    const scales = Array.from({ length: order }, () => reader.float16());
    const root = scales.flatMap((scale, row) => Array.from(reader.int8s(row + 1), (entry) => scale * entry));
    return { logShare, means, root };
  });
  return { features: Array.from({ length: order }, (_, index) => index), kappa, clusters };
}

/**
 * u8 members; of every input f16 mean, f16 deviation; then the members, each with three layers and each layer u8 inputs, u8
 * outputs, `outputs` × f16 scale, `outputs` × f16 bias, and int8 weights of one input after the other: a weight is its output's
 * scale × itself.
 */
function readNets(reader: ConstantsReader): Nets {
  const memberCount = reader.uint8();
  if (memberCount === 0) throw new RangeError("Cannot decode constants: there are no nets, expected at least one");
  const inputs = Array.from({ length: INPUT_COUNT }, () => ({ mean: reader.float16(), deviation: reader.float16() }));
  const { learnedLog, handLog, learnedRaw, handRaw, smoother, yesterday, priorFree } = Column;
  const gated = [learnedLog, handLog, learnedRaw, handRaw, smoother, yesterday, priorFree];
  return {
    correctFrom: CORRECT_FROM,
    originInputCount: ORIGIN_INPUT_COUNT,
    quantileCount: QUANTILE_COUNT,
    gateShare: GATE_SHARE,
    stretch: STRETCH,
    gated,
    means: inputs.map(({ mean }) => mean),
    deviations: inputs.map(({ deviation }) => deviation),
    members: Array.from({ length: memberCount }, () => readMember(reader, QUANTILE_COUNT + gated.length + 1)),
  };
}

function readMember(reader: ConstantsReader, outputCount: number): NetLayer[] {
  const layers = Array.from({ length: LAYER_COUNT }, () => readLayer(reader));
  const sizes = [INPUT_COUNT, ...layers.map(({ outputs }) => outputs)];
  for (const [index, { inputs, outputs }] of layers.entries()) {
    if (inputs !== sizes[index]) throw new RangeError(`Cannot decode constants: a layer takes ${inputs} inputs, expected ${sizes[index]}`);
    if (outputs > HIDDEN_MAX)
      throw new RangeError(`Cannot decode constants: a layer has ${outputs} outputs, expected at most ${HIDDEN_MAX}`);
  }
  if (sizes[LAYER_COUNT] !== outputCount)
    throw new RangeError(`Cannot decode constants: ${sizes[LAYER_COUNT]} outputs, expected ${outputCount}`);
  return layers;
}

function readLayer(reader: ConstantsReader): NetLayer {
  const inputs = reader.uint8();
  const outputs = reader.uint8();
  const scales = Array.from({ length: outputs }, () => reader.float16());
  const biases = Array.from({ length: outputs }, () => reader.float16());
  const weights = Array.from(reader.int8s(inputs * outputs), (entry, index) => (scales[index % outputs] ?? 0) * entry);
  return { inputs, outputs, weights, biases };
}
