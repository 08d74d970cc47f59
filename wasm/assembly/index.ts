// The export list: one line per kernel family.
import "./abort";
export { ARENA_OFFSET, KEY_BYTES_MAX, KEY_OFFSET } from "./memory/layout";
export { xxh64 } from "./hash/xxh64";
export { xxh3 } from "./hash/xxh3";
export { rendezvousChoose, rendezvousChooseKey, rendezvousTopK } from "./schedule/rendezvous";
export { rendezvousChooseBounded } from "./schedule/rendezvous-bounded";
export {
  quantileAdd,
  quantileCount,
  quantileMax,
  quantileMerge,
  quantileMin,
  quantileReset,
  quantileSum,
  quantileValue,
} from "./sketch/quantile";
export { quantileRead, quantileWrite } from "./sketch/quantile-blob";
export {
  countMinAdd,
  countMinEstimate,
  countMinMerge,
  countMinRead,
  countMinReset,
  countMinTotal,
  countMinWrite,
} from "./sketch/count-min";
export { topKAdd, topKFloor, topKMerge, topKReset, topKTotal, topKUsed } from "./sketch/top-k";
export { topKRead, topKWrite } from "./sketch/top-k-blob";
export { hllAdd, hllEstimate, hllMerge, hllReset } from "./sketch/hyper-log-log";
export { hllRead, hllWrite } from "./sketch/hyper-log-log-blob";
export { gcraCharge, gcraConfigure, gcraGiveBack, gcraPeek, gcraRemaining, gcraTake } from "./limit/gcra";
export { leastConnectionsChoose } from "./schedule/balance/least-connections";
export { peakEwmaChoose, peakEwmaEnd, peakEwmaLoad, peakEwmaStart } from "./schedule/balance/peak-ewma";
export { smoothRoundRobinNext } from "./schedule/balance/smooth-round-robin";
export { maglevBuild, maglevChoose, maglevChooseKey } from "./schedule/maglev";
export { gradientAnswersLeft, gradientBaseline, gradientLimit, gradientObserve, gradientReset } from "./limit/concurrency";
export { aimdObserve, aimdReset } from "./limit/aimd";
export { vegasObserve, vegasReset } from "./limit/vegas";
export {
  fairQueueBytes,
  fairQueueClassLength,
  fairQueueExpire,
  fairQueueFlowLength,
  fairQueueInit,
  fairQueueLength,
  fairQueuePeek,
  fairQueuePop,
  fairQueuePush,
  fairQueueRemove,
} from "./schedule/fair-queue/fair-queue";
export {
  fairQueueCloseFlow,
  fairQueueHold,
  fairQueueOpenFlow,
  fairQueueSetClass,
  fairQueueSetFlowWeight,
} from "./schedule/fair-queue/flows";
export { fairQueueCostAhead } from "./schedule/fair-queue/cost-ahead";
export { seasonalBytes, seasonalForecast, seasonalInit, seasonalObserve, seasonalScratchBytes } from "./forecast/seasonal";
export { seasonalClusterWeights, seasonalSetShares, seasonalShares } from "./forecast/shares";
export { seasonalRead, seasonalWrite } from "./forecast/seasonal-blob";
export { fineBytes, fineHorizon, fineInit, fineObserve, fineProfile, fineQuantiles, fineScratchBytes } from "./forecast/fine/fine";
export { fineSetOutlook } from "./forecast/fine/origin";
export { fineSetEvents, fineSetLocalTime } from "./forecast/fine/calendar";
export { fineRead, fineWrite } from "./forecast/fine/fine-blob";
