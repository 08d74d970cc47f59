import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import { sendPaced, type PaceOptions } from "./pace.ts";

export interface RequestBody {
  readonly ok: true;
  /** To the endpoint; null where the request has no body. */
  readonly stream: ReadableStream | null;
}

export interface RequestBodyOptions {
  readonly contentLength: number | null;
  readonly bytesMax: number;
  /** Null: as fast as the device sends and the endpoint reads. */
  readonly pace: PaceOptions | null;
  /** The device's side failed: whoever sends the body must cut the exchange off. */
  readonly onFault: (fault: Refusal) => void;
}

/**
 * A request's body on its way to the endpoint, bounded: by its declared length before a byte is sent, or counted
 * on the way where none is declared.
 *
 * A chunked body that breaks off must break off at the endpoint too. An aborted or errored stream does not do
 * that: workerd (2026-11-02) then ends the chunked body as if it were whole. Only cutting the fetch off does, so
 * `onFault` comes first and the stream is left open.
 */
export function openRequestBody(request: Request, options: RequestBodyOptions): RequestBody | Refusal {
  const { contentLength, bytesMax, pace } = options;
  if (contentLength !== null && contentLength > bytesMax) return tooLarge(bytesMax);
  // A length of 0 is no body: fetch() takes none with GET and HEAD.
  if (request.body === null || contentLength === 0) return { ok: true, stream: null };
  const { readable, writable } = contentLength === null ? new IdentityTransformStream() : new FixedLengthStream(contentLength);
  void (contentLength === null || pace !== null ? pumpCounted(request.body, writable, options) : pump(request.body, writable, options));
  return { ok: true, stream: readable };
}

/** The runtime pumps; afterwards the source tells whether it broke or the sink no longer wanted it. */
async function pump(source: ReadableStream<Uint8Array>, sink: WritableStream<Uint8Array>, { onFault }: RequestBodyOptions): Promise<void> {
  try {
    await source.pipeTo(sink, { preventCancel: true, preventAbort: true });
  } catch {
    await source.getReader().closed.catch(() => onFault(bodyAborted()));
  }
}

async function pumpCounted(
  source: ReadableStream<Uint8Array>,
  sink: WritableStream<Uint8Array>,
  { bytesMax, pace, onFault }: RequestBodyOptions,
): Promise<void> {
  const reader = source.getReader();
  const writer = sink.getWriter();
  for (let bytes = 0; ;) {
    const read = await reader.read().catch(() => null);
    if (read === null) return onFault(bodyAborted());
    if (!read.done) bytes += read.value.byteLength;
    if (bytes > bytesMax) return onFault(tooLarge(bytesMax));
    const sending = read.done ? writer.close() : pace === null ? writer.write(read.value) : sendPaced(read.value, writer, pace);
    const isSent = await sending.then(
      () => true,
      () => false,
    );
    if (read.done || !isSent) return;
  }
}

function bodyAborted(): Refusal {
  return refuse("body-aborted", "The request's body broke off before its end.");
}

function tooLarge(bytesMax: number): Refusal {
  return refuse("body-too-large", `The request's body is more than ${bytesMax} bytes.`);
}
