/** What no schema takes. */
export const TOO_LARGE = Symbol("too large");

/** Undefined where the body is no JSON, TOO_LARGE where it is larger than it may be. */
export async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return TOO_LARGE;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(await new Blob(chunks).text());
  } catch {
    return undefined;
  }
}
