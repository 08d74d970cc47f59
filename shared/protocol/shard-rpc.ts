// How the edge hands an admitted socket to its Shard object: one internal header on the upgrade request,
// which devices cannot set (the edge strips every tidegate-* header on the way in).

import type { Region } from "../config/regions.ts";
import type { Payload } from "../resume/frames.ts";
import type { TopicAnswer, TopicRequest } from "./topics.ts";

/** Carries a SocketAssignment as JSON, from the edge to the Shard object only. */
export const SOCKET_ASSIGNMENT_HEADER = "tidegate-socket-assignment";
/** Carries a Refusal as JSON, from the Shard object to the edge only, on a response that is not 101. */
export const SOCKET_REFUSAL_HEADER = "tidegate-socket-refusal";

/** What one socket is held to; null: it is not limited. */
export interface SocketLimits {
  /** At most what a session takes, or a plain socket. */
  readonly messageBytesMax: number;
  /** From the device. */
  readonly messagesPerSecond: number | null;
  readonly messageBurst: number;
  readonly idleMsMax: number | null;
  /** Of a connection. */
  readonly lifetimeMsMax: number | null;
}

/** What holds for one connection, by its device's class and token. */
export interface ConnectionTerms {
  readonly limits: SocketLimits;
  /** Null: its token's end does not end it. */
  readonly tokenUntilMs: number | null;
}

/** What the messages of a flow's sockets are held to, all of them together, or counted for. */
export interface FlowPace extends QuotaPace {
  readonly flow: string;
  /** Of the configuration that says so. */
  readonly version: number;
}

/** What a quota says of that. */
export interface QuotaPace {
  /** Their bytes, both ways: held to a bandwidth, or counted for one in shadow. Null: neither. */
  readonly bytes: "held" | "counted" | null;
  /** What their requests take at the endpoint is counted, and held to the flow's service time. */
  readonly isTimed: boolean;
}

export interface SocketAssignment {
  readonly service: string;
  readonly tenant: string;
  readonly device: string;
  /** The device speaks `tidegate.v1`. */
  readonly isResumable: boolean;
  /** How its messages reach the endpoint where it does; a plain socket is always joined to one of the endpoint's. */
  readonly mode: "http" | "websocket";
  readonly slotId: string;
  /** The edge isolate that acquired the slot, … */
  readonly holder: string;
  /** … and whose regional pool it asked; absent: the home pool. */
  readonly region?: Region | undefined;
  readonly flow: string;
  readonly shardId: string;
  /** Where the endpoint's own socket is: http(s) URL with path and query. */
  readonly upstreamUrl: string;
  /** Until the endpoint has answered the upgrade. */
  readonly deadlineMs: number;
  readonly startedAtMs: number;
  /** How often an endpoint is asked that breaks off before it answers. Absent: once. */
  readonly retry?: { readonly attemptsMax: number; readonly budgetRatio: number };
  /** Absent: nothing but what every socket is held to. */
  readonly terms?: ConnectionTerms;
  /** What its messages may take of its flow's memory, both ways; it holds with the slot. Absent: that is not limited. */
  readonly memoryBytes?: number;
  /** Absent: as if nothing were known of it. */
  readonly pace?: FlowPace;
  /** The device resumes a session of a shard that is being drained: it moves here. */
  readonly movedFrom?: MovedFrom;
}

export interface MovedFrom {
  readonly shardId: string;
  /** That it has there. */
  readonly slotId: string;
  readonly sessionId: string;
  readonly secret: string;
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
  readonly terms?: ConnectionTerms;
  readonly pace?: FlowPace;
  /** No other shard has room: better here than nowhere, though this one is being drained. */
  readonly isStaying?: boolean;
  /** The shard that was asked before and said that the session is here, and since which move. */
  readonly sentFrom?: SessionPointer;
}

/** Where a session is to be looked for. */
export interface SessionPointer {
  readonly shardId: string;
  /** Of the move that it went there with; empty: it is asked whether the session is there still. */
  readonly moveId: string;
}

/** For the sockets of a tenant that are on a topic, or that one of its devices has; both null: for all of them. */
export interface PushRequest {
  readonly tenant: string;
  readonly device: string | null;
  readonly topic: string | null;
  readonly payload: Payload;
  /** Of this one push, at every shard and however often it is asked: a session takes it once, also one that moves meanwhile. */
  readonly pushId: string;
}

export interface PushAnswer {
  /** Sessions that have the message, on disk. */
  readonly taken: number;
  /** Sessions whose window is full, or that are on the move: they do not have it. */
  readonly full: number;
  /** Sessions that it will never fit, and the largest message in bytes that fits each of them; absent: there are none. */
  readonly tooLarge?: { readonly count: number; readonly bytesMax: number };
  /** Plain sockets that it was sent to: at most once. */
  readonly sent: number;
  /** Sockets that have this push since it was asked before, and are counted nowhere else; absent: there are none. */
  readonly had?: number;
}

/** Beside an answer for all sockets of a shard: shards to which single sessions have gone from it a moment ago. */
export interface GoneTo {
  readonly goneTo?: readonly string[];
}

/** Carries a SocketElsewhere as JSON, from the Shard object to the edge only, in answer to a resumption. */
export const SOCKET_ELSEWHERE_HEADER = "tidegate-socket-elsewhere";

/**
 * So many Shard objects are asked for a session at most. Each move that its device did not hear of is one more, and one whose confirmation
 * was lost leads back: three drains within the time that a session waits for its device came to four.
 */
export const SESSION_HOPS_MAX = 5;

/** The session is on another shard; null: it is to move to one, and has that slot. */
export type SocketElsewhere = SessionPointer | { readonly shardId: null; readonly slotId: string };

/** From one Shard object to another. */
export interface HandOverRequest extends SocketResumption {
  readonly to: string;
}

/** A session as it is on disk. */
export interface HandOver {
  /** For `confirmMove`. */
  readonly moveId: string;
  readonly facts: string;
  readonly messages: readonly { readonly sequence: number; readonly payload: Payload }[];
  readonly topics: readonly string[];
  /** Of its endpoint's GRIP; null: it speaks none. */
  readonly messagePrefix: string | null;
  /** Pushes that it has and that may be on their way to other shards. */
  readonly pushIds: readonly string[];
}

export interface DrainRequest {
  /** One word, for the devices: `drain`, `deploy`, `move`. */
  readonly reason: string;
  /** How long devices have to leave by themselves; then connections are closed with 1012. */
  readonly graceMs: number;
}

/** What a shard holds still. */
export interface DrainProgress {
  readonly isDraining: boolean;
  /** With those whose device is away: they move when it comes back, or expire. */
  readonly sessions: number;
  /** Of devices that have a session. */
  readonly connections: number;
  readonly plainSockets: number;
}

export interface ShardRpc {
  /**
   * Sends every device away, to come back elsewhere; repeated while their grace goes on it changes nothing, and after it those
   * that stayed are told again. Null: cancels that, for those that are still here.
   */
  drain(request: DrainRequest | null): Promise<DrainProgress> | DrainProgress;
  drainProgress(): Promise<DrainProgress> | DrainProgress;
  /** Gives a session to another Shard object, which keeps it once `confirmMove` says so. Null: this opens none here. */
  handOver(request: HandOverRequest): Promise<HandOver | null> | HandOver | null;
  /** From now on the session is there and not here. Idempotent; false: it was needed here meanwhile, and stays. */
  confirmMove(sessionId: string, to: string, moveId: string): Promise<boolean> | boolean;
  push(request: PushRequest): Promise<PushAnswer & GoneTo> | (PushAnswer & GoneTo);
  /** Puts the sockets that a device has here on topics, or takes them off: of each socket all of it or nothing. */
  subscribe(request: TopicRequest): Promise<TopicAnswer & GoneTo> | (TopicAnswer & GoneTo);
  /** Of these slots, those that a living socket holds here. */
  held(slotIds: readonly string[]): Promise<readonly string[]> | readonly string[];
}

export const shardObjectName = (service: string, shardId: string): string => `${service}/${shardId}`;
