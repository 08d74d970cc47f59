// What a call answers instead of a handle, an index or 0.

/** Nothing waits; no such item. */
export const REFUSED_NONE: i32 = -1;
/** The flow is as long as it may be, and nothing in it is less urgent. */
export const REFUSED_FLOW_FULL: i32 = -2;
/** Every place for items, or for flows, is taken. */
export const REFUSED_FULL: i32 = -3;
/** A deadline has come: `fairQueueExpire` first. */
export const REFUSED_EXPIRED: i32 = -4;
/** No open flow has this index. */
export const REFUSED_FLOW: i32 = -5;
/** A number is outside its range. */
export const REFUSED_ARGUMENT: i32 = -6;
/** The flow is not empty, or its last charge lies beyond the virtual time: closing it would forgive that. */
export const REFUSED_BUSY: i32 = -7;
