// Fixed memory: 2 pages, 128 KiB. Offset · bytes · owner. The compiler's own data ends well below KEY_OFFSET.
//
//      0 ·   8,192 · the compiler (constants of `assert` messages)
//  8,192 ·   8,192 · key: a string that the host encodes here
// 16,384 ·   4,096 · rendezvous seeds, low words   (1,024 × u32)
// 20,480 ·   4,096 · rendezvous seeds, high words  (1,024 × u32)
// 24,576 ·   4,096 · rendezvous inverse weights    (1,024 × f32)
//
// The host reads these numbers through the exported globals; nobody else writes them down.

export const KEY_OFFSET: usize = 8192;
export const KEY_BYTES_MAX: u32 = 8192;

export const SHARD_COUNT_MAX: u32 = 1024;
export const SEED_LOW_OFFSET: usize = 16384;
export const SEED_HIGH_OFFSET: usize = 20480;
export const INVERSE_WEIGHT_OFFSET: usize = 24576;
