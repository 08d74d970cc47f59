// Takes a session over from the Shard object that has it.
import type { ObjectEnv } from "#durable/lib/env.ts";
import { shardObjectName, type SocketResumption } from "#shared/protocol/shard-rpc.ts";
import type { SessionMoves } from "./session-moves.ts";
import type { SessionRoute } from "./session-store.ts";

export async function pullSession(
  { shards, moves }: { readonly shards: ObjectEnv["SHARD"]; readonly moves: SessionMoves },
  route: SessionRoute,
  { from, ...resumption }: SocketResumption & { from: string },
): Promise<"here" | "stays" | "unsure" | "unknown"> {
  return moves.pull(shards.get(shards.idFromName(shardObjectName(resumption.service, from))), { ...route, cameFrom: from }, resumption);
}
