// Runs the command line inside the test: the same main(), with streams that remember.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { onTestFinished, type TestContext } from "vitest";
import { main } from "#cli/main.ts";

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runCli(
  argv: readonly string[],
  { stdin = "", environment = {}, isTTY = false }: { stdin?: string; environment?: Record<string, string>; isTTY?: boolean } = {},
): Promise<CliRun> {
  const stdout = new PassThrough();
  const stderr = Object.assign(new PassThrough(), { isTTY });
  const said = Promise.all([text(stdout), text(stderr)]);
  const exitCode = await main(argv, { stdin: Readable.from([stdin], { objectMode: false }), stdout, stderr, environment });
  stdout.end();
  stderr.end();
  const [out, error] = await said;
  return { exitCode, stdout: out, stderr: error };
}

/** A folder for this test alone. `context`: of a test that runs beside others. */
export async function temporaryFolder(context: Pick<TestContext, "onTestFinished"> = { onTestFinished }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-test-"));
  // What was killed may leave something that writes there for a moment.
  context.onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}
