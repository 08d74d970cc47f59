import type { PushAnswer, PushRequest } from "#shared/protocol/shard-rpc.ts";
import { payloadBytes } from "#shared/resume/frames.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionStore } from "./session-store.ts";

/** A message of the service's own accord, to each session of one device or of all: on disk when this returns. */
export function pushToSessions(host: SessionHost, store: SessionStore, { tenant, device, payload }: PushRequest): PushAnswer {
  const bytes = payloadBytes(payload);
  let taken = 0;
  let full = 0;
  for (const sessionId of store.ownedBy(tenant, device)) {
    const live = host.load(sessionId);
    if (live === undefined || live.state.end !== null || live.state.closing !== null) continue;
    // Unlike an endpoint's own socket, who pushes can be told to come back.
    if (host.moving.has(sessionId) || !host.canPush(live, bytes)) full += 1;
    else {
      host.step(live, [{ kind: "push", payload }]);
      taken += 1;
    }
  }
  return { taken, full };
}
