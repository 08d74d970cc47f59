// The export list: one line per kernel family.
import "./abort";
export { ARENA_OFFSET, KEY_BYTES_MAX, KEY_OFFSET } from "./memory/layout";
export { xxh64 } from "./hash/xxh64";
export { rendezvousChoose, rendezvousChooseKey } from "./schedule/rendezvous";
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
export { fairQueueCloseFlow, fairQueueOpenFlow, fairQueueSetClass, fairQueueSetFlowWeight } from "./schedule/fair-queue/flows";
export { fairQueueCostAhead } from "./schedule/fair-queue/cost-ahead";
