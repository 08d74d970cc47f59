import type { ObjectEnv } from "#durable/lib/env.ts";
import { ASK_MS_MAX } from "./pace/pace-inquiry.ts";

/** Another one for tests, on this machine only. */
export function askMsMaxOf({ LIMITS_ASK_MS, IS_LOOPBACK }: Pick<ObjectEnv, "LIMITS_ASK_MS" | "IS_LOOPBACK">): number {
  return (IS_LOOPBACK === "true" && Number(LIMITS_ASK_MS)) || ASK_MS_MAX;
}
