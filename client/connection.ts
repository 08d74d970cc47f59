import { decodeGatewayFrame, encodeFrame, SUBPROTOCOL, type DeviceFrame } from "#shared/resume/frames.ts";
import { RESUME_PROTOCOL_PREFIX } from "#shared/resume/resume-token.ts";
import type { DeviceInput } from "#shared/resume/step-device.ts";
import type { FetchContext } from "./gateway-fetch.ts";
import type { SocketLike } from "./platform.ts";

interface ConnectionInput {
  readonly service: string;
  /** The device's token. */
  readonly bearer: string;
  /** Of the session that is to be resumed; null: a new one. */
  readonly resumeToken: string | null;
}

interface ConnectionEvents {
  /** `speaks`: whether the other side speaks `tidegate.v1`. */
  readonly onOpen: (speaks: boolean) => void;
  readonly onFrame: (frame: Extract<DeviceInput, { kind: "frame" }>["frame"]) => void;
  /** By the other side, or the way there; not by `close`. `wasOpen`: false where the upgrade failed, or was refused. */
  readonly onClose: (wasOpen: boolean) => void;
}

/** One try of a socket's to reach the gateway, and what comes of it. */
export class Connection {
  readonly #socket: SocketLike;
  #isLeft = false;

  constructor({ url, platform }: FetchContext, { service, bearer, resumeToken }: ConnectionInput, events: ConnectionEvents) {
    const protocols = [SUBPROTOCOL, `tidegate.bearer.${bearer}`, ...(resumeToken === null ? [] : [RESUME_PROTOCOL_PREFIX + resumeToken])];
    const socket = platform.openSocket(`${url.replace(/^http/, "ws")}/connect/${service}`, protocols);
    socket.binaryType = "arraybuffer";
    let isOpened = false;
    socket.addEventListener("open", () => {
      isOpened = true;
      events.onOpen(socket.protocol === SUBPROTOCOL);
    });
    socket.addEventListener("message", ({ data }) => {
      // Until the close is answered some platforms hand over what comes.
      if (!this.#isLeft) events.onFrame(decodeGatewayFrame(data));
    });
    socket.addEventListener("close", () => {
      if (!this.#isLeft) events.onClose(isOpened);
    });
    this.#socket = socket;
  }

  send(frame: DeviceFrame): void {
    try {
      this.#socket.send(encodeFrame(frame));
    } catch {
      // It is closing: its close event follows, and everything is sent again.
    }
  }

  /** Gives it up without waiting for its close, which may take minutes where nobody answers. */
  close(code: number, reason: string): void {
    this.#isLeft = true;
    try {
      this.#socket.close(code, reason);
    } catch {
      // Closed already.
    }
  }
}
