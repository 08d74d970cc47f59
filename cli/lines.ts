export interface LineBounds {
  readonly charactersMax: number;
  /** What to throw at a longer line. */
  readonly tooLong: () => Error;
}

/** Lines of a stream in UTF-8, without their ends. Holds one line at most, however long the stream is. */
export async function* boundedLines(
  chunks: AsyncIterable<Uint8Array | string>,
  { charactersMax, tooLong }: LineBounds,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + (typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true }))).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield checked(line);
    checked(rest);
  }
  rest += decoder.decode();
  if (rest !== "") yield checked(rest);

  function checked(line: string): string {
    if (line.length > charactersMax) throw tooLong();
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}
