import type { NextAlarm } from "#durable/lib/next-alarm.ts";
import type { GatewaySession } from "#shared/resume/gateway-session.ts";
import type { Leg, LegEvents } from "./leg.ts";
import type { BufferBudget } from "./buffer-budget.ts";
import type { Lane } from "./pace/lane.ts";
import type { ShardPace } from "./shard-pace.ts";
import type { ShardNews } from "./shard-news.ts";
import type { SessionRoute, SessionRow, SessionStore } from "./session-store.ts";
import type { SlotOwner, SlotRelease } from "./slot-keeper.ts";

/** What a session host is given by its Shard object. */
export interface HostShell {
  readonly ctx: DurableObjectState;
  readonly store: SessionStore;
  readonly alarm: Pick<NextAlarm, "wakeAt">;
  /** The way to the endpoint of a session that was loaded, or has just begun. */
  readonly makeLeg: (sessionId: string, route: SessionRoute, events: LegEvents) => Leg;
  readonly releaseSlot: (slot: SlotOwner, end?: Pick<SlotRelease, "hasFailed" | "after">) => void;
  /** What its pool is told. */
  readonly news: () => ShardNews;
  /** What its messages are held to. */
  readonly pace: () => ShardPace;
  /** What all that waits in memory is held to. */
  readonly budget: () => BufferBudget;
}

export interface Live {
  route: SessionRoute;
  readonly leg: Leg;
  state: GatewaySession;
  saved: GatewaySession | null;
  savedRow?: SessionRow;
  /** What waits for its device. */
  outflow?: Lane | undefined;
  /** As last found. */
  connection?: { readonly attempt: number; readonly socket: WebSocket };
}
