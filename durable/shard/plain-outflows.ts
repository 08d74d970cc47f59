// What leaves for the devices of plain sockets over HTTP: at most once, as the flow's bandwidth lets it go.
import type { Payload } from "#shared/resume/frames.ts";
import type { Breach } from "./breach.ts";
import { PlainLane, type PlainOwner, type PlainPace } from "./plain-lane.ts";
import { closeQuietly, type Close } from "./socket-io.ts";

interface Shell extends PlainPace {
  readonly socketOf: (socketId: string) => WebSocket | undefined;
}

export class PlainOutflows {
  readonly #shell: Shell;
  /** Of sockets whose flow is limited, and that were sent something. */
  readonly #lanes = new Map<string, PlainLane>();

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  /** Now, or in its turn. False: its socket is closing, or too much waits for it. */
  send(socketId: string, owner: PlainOwner, payload: Payload): boolean {
    const lane = this.#lanes.get(socketId) ?? this.#open(socketId, owner);
    if (lane === undefined) {
      this.#shell.pace().pass(owner, payload);
      return this.#send(socketId, payload);
    }
    let isSent = true;
    return lane.send(payload, () => void (isSent = this.#send(socketId, payload))) && isSent;
  }

  /** What a socket is closed with that did not take what it was to be sent; null: it is closing. */
  breachOf(socketId: string): Breach | null {
    const lane = this.#lanes.get(socketId);
    return lane?.hasRefused === true ? lane.breach : null;
  }

  /** In order: what waits goes before, for as long as that may take. */
  async close(socketId: string, close: Close): Promise<void> {
    const run = (): void => closeQuietly(this.#shell.socketOf(socketId), close);
    await (this.#lanes.get(socketId)?.finish(run) ?? run());
  }

  /** Nobody is there any more. */
  forget(socketId: string): void {
    this.#lanes.get(socketId)?.clear();
    this.#lanes.delete(socketId);
  }

  #open(socketId: string, owner: PlainOwner): PlainLane | undefined {
    if (this.#shell.pace().find(owner.flow) === undefined) return undefined;
    const lane = new PlainLane(owner, "device", this.#shell);
    this.#lanes.set(socketId, lane);
    return lane;
  }

  #send(socketId: string, payload: Payload): boolean {
    try {
      const socket = this.#shell.socketOf(socketId);
      socket?.send(payload);
      return socket !== undefined;
    } catch {
      // It is closing: at most once means that this one is lost.
      return false;
    }
  }
}
