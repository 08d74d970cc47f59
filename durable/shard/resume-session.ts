// Devices that come back with a session: to the one that is here, or with one that is to come here from another shard.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { shardObjectName, type MovedFrom, type SocketAssignment, type SocketResumption } from "#shared/protocol/shard-rpc.ts";
import { SUBPROTOCOL } from "#shared/resume/frames.ts";
import { NO_TERMS } from "./breach.ts";
import type { LoneMoves } from "./lone-moves.ts";
import { routeOf } from "./open-endpoint.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionMoves } from "./session-moves.ts";
import { elsewhere, FULL, MOVING, NO_SLOT, refusal, upgraded } from "./shard-answers.ts";
import type { ShardDrain } from "./shard-drain.ts";
import type { SlotKeeper } from "./slot-keeper.ts";
import type { SocketRoom } from "./socket-room.ts";

export interface ReturnShard {
  readonly shards: ObjectEnv["SHARD"];
  readonly slots: SlotKeeper;
  readonly room: SocketRoom;
  readonly host: SessionHost;
  readonly moves: SessionMoves;
  readonly lone: LoneMoves;
  readonly drain: Pick<ShardDrain, "isOn">;
}

export function resumeSession(shard: ReturnShard, request: Request, resumption: SocketResumption): Response {
  const { room, host, moves, lone, drain } = shard;
  if (room.isFull()) return refusal(FULL);
  const pointer = moves.whereabouts(resumption);
  if (pointer !== null) return elsewhere(pointer);
  // A device that names another's session is told what one is told that names none.
  const isHere = host.belongsTo(resumption.sessionId, resumption);
  const leaving = isHere ? lone.leaving(resumption, drain.isOn) : undefined;
  if (leaving !== undefined) return elsewhere({ shardId: null, slotId: leaving.route.slotId });
  return accept(shard, request, { ...resumption, sessionId: isHere ? resumption.sessionId : "" });
}

/** A session of another shard, on a new slot of this one. It is here as soon as the other Shard object agrees. */
export async function moveHere(
  shard: ReturnShard,
  request: Request,
  { assignment, from }: { readonly assignment: SocketAssignment; readonly from: MovedFrom },
): Promise<Response> {
  const { shards, slots, room, host, moves } = shard;
  const { service, tenant, device, slotId, holder, terms = NO_TERMS } = assignment;
  const { sessionId, secret } = from;
  const resumption = { service, tenant, device, sessionId, secret, terms };
  if (from.shardId === assignment.shardId) {
    // No other shard has room: it stays, with the slot that it has, unless another connection of its device has moved it meanwhile.
    await slots.release(assignment, { holder });
    if (moves.whereabouts(resumption) !== null) return refusal(MOVING);
    return accept(shard, request, { ...resumption, sessionId: host.belongsTo(sessionId, resumption) ? sessionId : "" });
  }
  if (room.isFull() || !(await slots.takeOver(assignment))) return refusal(NO_SLOT);
  const other = shards.get(shards.idFromName(shardObjectName(service, from.shardId)));
  const moved = await moves.pull(other, { ...routeOf(request, assignment), cameFrom: from.shardId }, resumption);
  if (moved === "here" || moved === "unsure") slots.settle(slotId);
  if (moved === "here") return accept(shard, request, resumption);
  if (moved === "unsure") return refusal(MOVING);
  await slots.release(assignment);
  return moved === "stays" ? refusal(MOVING) : accept(shard, request, { ...resumption, sessionId: "" });
}

/** An empty id: a session that is unknown, which the device is told when it has said hello. */
function accept(
  { host, moves }: ReturnShard,
  request: Request,
  { sessionId, secret, terms }: Pick<SocketResumption, "sessionId" | "secret" | "terms">,
): Response {
  if (sessionId !== "") moves.settle(sessionId);
  const client = host.device.accept({ sessionId, secret, attempt: null, acceptedAtMs: Date.now(), terms });
  return upgraded(request, client, SUBPROTOCOL);
}
