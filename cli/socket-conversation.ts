// One WebSocket from opening to close: every message sent gets one answer.
import { socketProtocols, socketUrl } from "./socket-address.ts";

export interface Conversation {
  /** The gateway's. */
  readonly url: string;
  readonly service: string;
  readonly token: string;
  readonly messages: AsyncIterable<string>;
  /** For the opening, and for the answers that are missing once every message is sent. */
  readonly timeoutMs: number;
  readonly print: (data: string | ArrayBuffer) => void;
}

export type Ending =
  | { readonly kind: "done" }
  | { readonly kind: "not-opened" }
  | { readonly kind: "closed"; readonly code: number; readonly reason: string }
  | { readonly kind: "unanswered"; readonly count: number };

const CLOSE_NORMAL = 1000;
/** Sending waits here: input may be longer than memory. */
const UNANSWERED_MAX = 100;

/** Sends all messages, prints all answers, closes. Rejects only where `messages` does. */
export async function holdConversation({ url, service, token, messages, timeoutMs, print }: Conversation): Promise<Ending> {
  const socket = new WebSocket(socketUrl(url, service), socketProtocols(token));
  socket.binaryType = "arraybuffer";
  const ending = Promise.withResolvers<Ending>();
  let isOpened = false;
  let sentCount = 0;
  let answeredCount = 0;
  let isAllSent = false;
  let answered = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;

  const closeWhenAnswered = (): void => {
    if (!isAllSent) return;
    clearTimeout(timer);
    if (answeredCount < sentCount) timer = setTimeout(() => finish({ kind: "unanswered", count: sentCount - answeredCount }), timeoutMs);
    else finish({ kind: "done" });
  };
  const finish = (how: Ending): void => {
    clearTimeout(timer);
    ending.resolve(how);
    socket.close(CLOSE_NORMAL);
  };
  const sendAll = async (): Promise<void> => {
    for await (const message of messages) {
      while (socket.readyState === WebSocket.OPEN && sentCount - answeredCount >= UNANSWERED_MAX) {
        answered = Promise.withResolvers<void>();
        await answered.promise;
      }
      if (socket.readyState !== WebSocket.OPEN) return;
      sentCount++;
      socket.send(message);
    }
    isAllSent = true;
    closeWhenAnswered();
  };

  timer = setTimeout(() => finish({ kind: "not-opened" }), timeoutMs);
  socket.addEventListener("open", () => {
    isOpened = true;
    clearTimeout(timer);
    sendAll().catch((error: unknown) => {
      ending.reject(error);
      socket.close(CLOSE_NORMAL);
    });
  });
  socket.addEventListener("message", ({ data }) => {
    answeredCount++;
    print(data as string | ArrayBuffer); // As binaryType says.
    answered.resolve();
    closeWhenAnswered();
  });
  const closed = new Promise<void>((resolve) => {
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(timer);
      answered.resolve();
      ending.resolve(isOpened ? { kind: "closed", code, reason } : { kind: "not-opened" });
      resolve();
    });
  });
  const how = await ending.promise;
  // A peer that does not answer our close must not keep the command.
  const patience = Promise.withResolvers<void>();
  const patienceTimer = setTimeout(patience.resolve, timeoutMs);
  await Promise.race([closed, patience.promise]);
  clearTimeout(patienceTimer);
  return how;
}
