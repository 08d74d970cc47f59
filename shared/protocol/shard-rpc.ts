// How the edge hands an admitted socket to its Shard object: one internal header on the upgrade request,
// which devices cannot set (the edge strips every tidegate-* header on the way in).

import type { Payload } from "../resume/frames.ts";

/** Carries a SocketAssignment as JSON, from the edge to the Shard object only. */
export const SOCKET_ASSIGNMENT_HEADER = "tidegate-socket-assignment";
/** Carries a Refusal as JSON, from the Shard object to the edge only, on a response that is not 101. */
export const SOCKET_REFUSAL_HEADER = "tidegate-socket-refusal";

export interface SocketAssignment {
  readonly service: string;
  readonly tenant: string;
  readonly device: string;
  /** The device speaks `tidegate.v1`. */
  readonly isResumable: boolean;
  /** How its messages reach the endpoint where it does; a plain socket is always joined to one of the endpoint's. */
  readonly mode: "http" | "websocket";
  readonly slotId: string;
  /** The edge isolate that acquired the slot. */
  readonly holder: string;
  readonly flow: string;
  readonly shardId: string;
  /** Where the endpoint's own socket is: http(s) URL with path and query. */
  readonly upstreamUrl: string;
  /** Until the endpoint has answered the upgrade. */
  readonly deadlineMs: number;
  readonly startedAtMs: number;
}

/** Carries a SocketResumption as JSON, from the edge to the Shard object only, instead of an assignment. */
export const SOCKET_RESUMPTION_HEADER = "tidegate-socket-resumption";

/** A device whose session is here: verified, entitled, and with the slot that the session has. */
export interface SocketResumption {
  readonly service: string;
  readonly tenant: string;
  readonly device: string;
  readonly sessionId: string;
  readonly secret: string;
}

/** For one device of a tenant; `device` null: for all of them. */
export interface PushRequest {
  readonly tenant: string;
  readonly device: string | null;
  readonly payload: Payload;
}

export interface PushAnswer {
  /** Sessions that have the message, on disk. */
  readonly taken: number;
  /** Sessions whose window is full: they do not have it. */
  readonly full: number;
}

export interface ShardRpc {
  push(request: PushRequest): Promise<PushAnswer> | PushAnswer;
  /** Of these slots, those that a living socket holds here. */
  held(slotIds: readonly string[]): Promise<readonly string[]> | readonly string[];
}

export const shardObjectName = (service: string, shardId: string): string => `${service}/${shardId}`;
