// The export list: one line per kernel family.
import "./abort";
export { KEY_BYTES_MAX, KEY_OFFSET, INVERSE_WEIGHT_OFFSET, SEED_HIGH_OFFSET, SEED_LOW_OFFSET, SHARD_COUNT_MAX } from "./memory/layout";
export { xxh64 } from "./hash/xxh64";
export { rendezvousChoose, rendezvousChooseKey } from "./schedule/rendezvous";
