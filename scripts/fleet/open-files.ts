// What a fleet needs of the limit on open files, which is each process's own.

/**
 * The most that one front may have of the devices, as a multiple of an even part: 1.41 was measured of 300 that came one by one,
 * 1.16 of 1,500 and 1.22 of 10,000 through a drain, with the second connections of those that moved.
 */
const FRONT_SHARE_MAX = 1.5;

export interface FleetSize {
  readonly count: number;
  readonly mode: "http" | "websocket";
  readonly shardSize: number;
  /** 0: the gateway's process holds the devices' connections. */
  readonly frontCount: number;
}

export interface FilesNeeded {
  readonly process: string;
  readonly files: number;
}

/** What workerd opens for each TCP connection; beyond its limit it ends. */
const FILES_PER_CONNECTION = 2;
/** Databases, and the second connections of devices that move. */
const OTHER_FILES = 500;
/** durable/shard/post-permits.ts: what the sessions of a shard ask their endpoint at a time. */
const POSTS_PER_SHARD_MAX = 64;
/** Slots beyond the devices': one that moves has a slot on both shards for a moment. */
const SPARE_RATIO = 0.1;

/** Slots that the service has. */
export function capacityFor(count: number): number {
  return Math.ceil(count * (1 + SPARE_RATIO));
}

/** The most that each kind of process may have open at a time. */
export function filesNeeded({ count, mode, shardSize, frontCount }: FleetSize): FilesNeeded[] {
  const shards = Math.ceil(capacityFor(count) / shardSize);
  const toEndpoint = mode === "websocket" ? count : Math.min(count, shards * Math.min(shardSize, POSTS_PER_SHARD_MAX));
  const ofDevices = frontCount === 0 ? count : 0;
  return [
    { process: "the gateway's process", files: (ofDevices + toEndpoint) * FILES_PER_CONNECTION + OTHER_FILES },
    // Its devices, and the endpoint's side of what the gateway asks.
    { process: "this process", files: count + toEndpoint + OTHER_FILES },
    ...(frontCount === 0 ? [] : [frontFiles(count, frontCount)]),
  ];
}

/** Whichever front is free takes the next connection, so none is sure of an even part. */
function frontFiles(count: number, frontCount: number): FilesNeeded {
  const devices = Math.min(count, Math.ceil((count / frontCount) * FRONT_SHARE_MAX));
  return { process: `each of ${frontCount} fronts`, files: devices * FILES_PER_CONNECTION + OTHER_FILES };
}
