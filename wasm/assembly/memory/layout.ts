// Memory is the host's: imported, fixed in size, at least 2 pages. Offset · bytes · owner:
//
//      0 ·  8,192 · the compiler: constants, nothing that changes
//  8,192 ·  8,192 · key: a string or a message that the host encodes here for one call
// 16,384 ·  to end · arena: the host places every structure here and passes its base to the kernel
//
// A kernel writes only between the base it was given and the size that its memory picture states. The host
// reads these numbers through the exported globals; nobody else writes them down.

export const KEY_OFFSET: usize = 8192;
export const KEY_BYTES_MAX: u32 = 8192;
export const ARENA_OFFSET: usize = 16384;
