// What a command says and where: results go to stdout, everything about getting them to stderr.
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createProgress, type Progress } from "./progress.ts";

export type TextStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export interface OutputOptions {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** The result as one JSON object. */
  readonly json: boolean;
}

/** A mistake that the user can see and mend: its message is all that is shown. */
export class CliError extends Error {
  readonly exitCode: number;
  /** Shown with --json, beside the message. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    message: string,
    {
      exitCode = EXIT_FAILURE,
      details = {},
      cause,
    }: { exitCode?: number; details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = "CliError";
    this.exitCode = exitCode;
    this.details = details;
  }
}

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
/** The command line itself is wrong. */
export const EXIT_USAGE = 2;

export class Output {
  readonly json: boolean;
  readonly #stdout: TextStream;
  readonly #stderr: TextStream;

  constructor({ stdout, stderr, json }: OutputOptions) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.json = json;
  }

  /** The command's result: `json` with --json, else `text`. */
  result({ json, text }: { json: unknown; text: string }): void {
    this.print(this.json ? JSON.stringify(json) : text);
  }

  /** A line of the result. */
  print(text: string): void {
    this.#stdout.write(`${text}\n`);
  }

  /** A result too long to hold: written as fast as the reader takes it. */
  async stream(chunks: Iterable<string>): Promise<void> {
    await pipeline(Readable.from(chunks), this.#stdout, { end: false });
  }

  /** A line for the person at the terminal; never part of the result. */
  notice(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  progress(label: string): Progress {
    return createProgress({ stream: this.#stderr, label, clockMs: () => performance.now() });
  }

  /** Says why the command failed; returns the exit code. */
  fail(error: unknown): number {
    const known = error instanceof CliError;
    // Not a CliError: a bug, where the stack is what helps.
    const message = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#stderr.write(`${this.json ? JSON.stringify({ error: message, ...(known ? error.details : {}) }) : message}\n`);
    return known ? error.exitCode : EXIT_FAILURE;
  }
}
