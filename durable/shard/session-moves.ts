// How sessions leave a shard: their devices are sent away, and another Shard object takes over what those come back to.
import { RESTART } from "#shared/protocol/close-codes.ts";
import type { HostShell, Live } from "./host-shell.ts";
import { SessionHandover } from "./session-handover.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionRoute } from "./session-store.ts";
import { attachmentOf, closeQuietly, MOVED, socketOf } from "./socket-io.ts";

export class SessionMoves extends SessionHandover<SessionRoute, Live> {
  readonly #host: SessionHost;
  readonly #shell: HostShell;

  constructor(host: SessionHost, shell: HostShell) {
    const { ctx, store, alarm, releaseSlot } = shell;
    const connectionOf = ({ state }: Live): { close(): void } => {
      const socket = socketOf(ctx, state.sessionId, state.attempt);
      return { close: () => closeQuietly(socket, MOVED) };
    };
    super(host, { store, alarm, releaseSlot, connectionOf });
    this.#host = host;
    this.#shell = shell;
  }

  /** Its slot is the home pool's now: in memory, where it is, and on disk. */
  reroute(sessionId: string, route: SessionRoute): void {
    const live = this.#host.load(sessionId);
    if (live !== undefined) live.route = route;
    this.#shell.store.saveRoute(sessionId, route);
  }

  /** Tells every device to leave in time. */
  announceDrain(reason: string, graceMs: number): void {
    for (const [live] of this.#connected()) this.#host.step(live, [{ kind: "drain", reason, graceMs }]);
  }

  /** Closes what is still connected; the sessions wait for their devices as ever. */
  disconnectAll(reason: string): void {
    for (const [live, socket] of this.#connected()) {
      this.#host.step(live, [{ kind: "dropped", attempt: live.state.attempt, isFinal: false }]);
      closeQuietly(socket, { code: RESTART, reason });
    }
  }

  *#connected(): Generator<readonly [live: Live, socket: WebSocket]> {
    for (const socket of this.#shell.ctx.getWebSockets()) {
      const { sessionId, attempt } = attachmentOf(socket);
      const live = attempt === null ? undefined : this.#host.load(sessionId);
      if (live?.state.attempt === attempt && live.state.detachedAtMs === null) yield [live, socket];
    }
  }
}
