// RFC 6455's framing, no more of it than a load needs: what generates and what answers must cost less than what relays.

export const TEXT = 1;
export const CLOSE = 8;
const PING = 9;

export interface Frame {
  readonly opcode: number;
  /** Unmasked. Good until the reader is given more. */
  readonly payload: Buffer;
}

/** One whole frame. A device masks (§5.1): with zeros, which change nothing and cost nothing. */
export function encodeFrame(opcode: number, payload: Buffer, { isMasked }: { readonly isMasked: boolean }): Buffer {
  const { length } = payload;
  if (length > 0xffff) throw new RangeError(`Cannot frame ${length} bytes: expected at most 65,535`);
  const lengthBytes = length < 126 ? 0 : 2;
  const frame = Buffer.alloc(2 + lengthBytes + (isMasked ? 4 : 0) + length);
  frame[0] = 0x80 | opcode;
  frame[1] = (isMasked ? 0x80 : 0) | (lengthBytes === 0 ? length : 126);
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2);
  payload.copy(frame, frame.length - length);
  return frame;
}

/** Takes a connection's bytes as they come, and gives its frames. Pings are left out: nobody here sends one. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  *read(chunk: Buffer): Generator<Frame> {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const head = readHead(data, at);
      if (head === null || data.length < head.end) break;
      at = head.end;
      if (head.opcode !== PING) yield { opcode: head.opcode, payload: payloadOf(data, head) };
    }
    this.#rest = data.subarray(at);
  }
}

interface Head {
  readonly opcode: number;
  readonly maskAt: number | null;
  readonly start: number;
  readonly end: number;
}

function readHead(data: Buffer, at: number): Head | null {
  if (data.length < at + 2) return null;
  const length = (data[at + 1] ?? 0) & 0x7f;
  if (length === 127) throw new RangeError("Cannot read a frame of more than 65,535 bytes: none is sent here");
  if (length < 126) return headOf(data, { at, start: at + 2, length });
  return data.length < at + 4 ? null : headOf(data, { at, start: at + 4, length: data.readUInt16BE(at + 2) });
}

function headOf(data: Buffer, { at, start, length }: { at: number; start: number; length: number }): Head {
  const opcode = (data[at] ?? 0) & 0x0f;
  const isMasked = ((data[at + 1] ?? 0) & 0x80) !== 0;
  const payloadStart = isMasked ? start + 4 : start;
  return { opcode, maskAt: isMasked ? start : null, start: payloadStart, end: payloadStart + length };
}

function payloadOf(data: Buffer, { maskAt, start, end }: Head): Buffer {
  const payload = data.subarray(start, end);
  if (maskAt === null) return payload;
  for (let index = 0; index < payload.length; index += 1) payload[index] = (payload[index] ?? 0) ^ (data[maskAt + (index & 3)] ?? 0);
  return payload;
}
