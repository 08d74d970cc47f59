import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CliError } from "./output.ts";
import { isSystemError } from "./system-error.ts";

/** Writes a text of any length, as it is made. Throws a CliError where the file cannot be written, and what `chunks` throws. */
export async function writeFileOf(file: string, chunks: Iterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(chunks), createWriteStream(file));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new CliError(`Cannot write ${file}: ${error.code}, expected a file that can be written`, { cause: error });
  }
}
