// Takes a session over from the Shard object that has it.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { shardObjectName, type SocketResumption } from "#shared/protocol/shard-rpc.ts";
import type { SessionMoves } from "./session-moves.ts";
import type { SessionRoute } from "./session-store.ts";

/** `unsure`: it may be here now and may not; `unknown`: there is none to take over, or not with this token. */
export async function pullSession(
  { shards, moves }: { readonly shards: ObjectEnv["SHARD"]; readonly moves: SessionMoves },
  route: SessionRoute,
  { from, ...resumption }: SocketResumption & { from: string },
): Promise<"here" | "stays" | "unsure" | "unknown"> {
  const { sessionId, service } = resumption;
  const other = shards.get(shards.idFromName(shardObjectName(service, from)));
  try {
    const handOver = await other.handOver({ ...resumption, to: route.shardId });
    if (handOver === null) return "unknown";
    moves.adopt(sessionId, route, handOver);
  } catch {
    return "stays";
  }
  try {
    if (await other.confirmMove(sessionId, route.shardId)) return "here";
    moves.discard(sessionId);
    return "stays";
  } catch {
    // It may be here now and may not: its device comes here only if the other Shard object sends it.
    return "unsure";
  }
}
