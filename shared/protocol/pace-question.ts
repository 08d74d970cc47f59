// What a Shard object asks its service's home pool while messages pass: what an operator has limited, or limits no more, since its sockets opened.
import type { FlowPace } from "./shard-rpc.ts";

/** What the messages of these flows are held to, as the configuration has it now. */
export interface PaceQuestion {
  readonly service: string;
  /** What the Shard object knows; a pool that knows less asks the Registry first. */
  readonly configurationVersion: number;
  readonly flows: readonly string[];
}

export interface PaceAnswer {
  /** Of the configuration that says so. */
  readonly version: number;
  /** Of the others nothing is limited, or counted. */
  readonly paces: readonly FlowPace[];
}
