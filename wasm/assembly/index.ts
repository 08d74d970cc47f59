// The export list: one line per kernel family.
import "./abort";
export { ARENA_OFFSET, KEY_BYTES_MAX, KEY_OFFSET } from "./memory/layout";
export { xxh64 } from "./hash/xxh64";
export { xxh3 } from "./hash/xxh3";
export { rendezvousChoose, rendezvousChooseKey, rendezvousTopK } from "./schedule/rendezvous";
export { rendezvousChooseBounded } from "./schedule/rendezvous-bounded";
export { leastConnectionsChoose } from "./schedule/balance/least-connections";
export { peakEwmaChoose, peakEwmaEnd, peakEwmaLoad, peakEwmaStart } from "./schedule/balance/peak-ewma";
export { smoothRoundRobinNext } from "./schedule/balance/smooth-round-robin";
export { maglevBuild, maglevChoose, maglevChooseKey } from "./schedule/maglev";
