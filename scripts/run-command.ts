// How check and the canaries start a tool: the installed one, under this Node, its output kept.
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ROOT } from "./root.ts";

/** The program and its arguments. A program is a name in node_modules/.bin. */
export type Command = readonly [program: string, ...args: string[]];

export interface CommandResult {
  readonly exitCode: number;
  /** Standard output and errors as they came, without colours: under CI some tools paint whatever they are asked. */
  readonly output: string;
}

/** A command answers with this (Automake's convention) where it needs something that npm cannot bring. */
export const EXIT_CODE_SKIPPED = 77;

const BIN_FOLDER = join(ROOT, "node_modules/.bin");

/** Runs to the end; throws only where the program cannot be started. */
export async function runCommand([program, ...args]: Command, folder: string = ROOT): Promise<CommandResult> {
  // First on the path, so that `node` is the pinned one for every tool that is a script.
  const env = { ...process.env, PATH: [BIN_FOLDER, process.env["PATH"] ?? ""].join(delimiter), NO_COLOR: "1" };
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  const child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.on("error", (cause) =>
    reject(new Error(`Cannot start ${program}: ${cause.message}, expected it in node_modules/.bin (npm ci)`, { cause })),
  );
  // A signal has no exit code: whoever stopped the tool, it did not pass.
  child.on("close", (code) => resolve({ exitCode: code ?? 1, output: stripVTControlCharacters(Buffer.concat(chunks).toString("utf8")) }));
  return promise;
}
