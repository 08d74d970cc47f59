// What an isolate and a pool tell each other of requests that have no slot in the isolate, many in one call. A call that finds
// nothing to bring back stands at the pool until there is something, or until the isolate's next call: so a pool can answer whoever waits
// in its queue, though it can call nobody. Plain data: it crosses RPC.
import type { Region } from "../config/regions.ts";
import type { AcquireRequest, AcquireVerdict, HolderId } from "./pool-rpc.ts";

/** A request asks for a slot; again under the same id where it has not heard: the same slot, or the same place in the queue. */
export interface SlotAsk extends Pick<
  AcquireRequest,
  "slotId" | "flow" | "urgency" | "affinityKey" | "waitMsMax" | "refusedBy" | "isPaid"
> {
  /** Of the isolate's clock; the verdict brings it back. */
  readonly askedAtMs: number;
}

export interface ExchangeMessage {
  readonly service: string;
  readonly holder: HolderId;
  /** What the holder knows; a pool that knows less asks the Registry first. */
  readonly configurationVersion: number;
  /** To a regional pool: where it is. */
  readonly region?: Region;
  /** Of the holder's calls, from 1. */
  readonly number: number;
  /** It waits for the answer to this one of its calls, and to none before: those are given up. */
  readonly countsFrom: number;
  readonly asks: readonly SlotAsk[];
  /** Slots by name whose requests have ended. */
  readonly returned: readonly string[];
  /** Who waits no longer. */
  readonly cancelled: readonly string[];
}

/** What became of one that asked. A name that is granted lives from the asking that it answers. */
export type SlotVerdict = AcquireVerdict & Pick<SlotAsk, "slotId" | "askedAtMs">;

export interface ExchangeAnswer {
  /** Of whoever asked in any call. */
  readonly verdicts: readonly SlotVerdict[];
  /** Another than before: the pool began anew, and knows of nobody who waits. */
  readonly poolLife: string;
  /** Newer than the holder's: it asks the Registry. */
  readonly configurationVersion: number;
}
