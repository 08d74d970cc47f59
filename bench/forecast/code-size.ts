// What the seasonal forecaster weighs: compiled alone, as the whole is.
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ASC_TRANSFORM } from "#scripts/build.ts";
import { ROOT } from "#scripts/root.ts";
import { runCommand } from "#scripts/run-command.ts";

const ENTRIES = ["abort", "forecast/seasonal", "forecast/seasonal-blob"].map((name) => join(ROOT, `wasm/assembly/${name}.ts`));

/** Bytes of a module that has the forecaster and what it uses, and nothing else. */
export async function forecasterCodeBytes(): Promise<number> {
  const { options } = JSON.parse(await readFile(join(ROOT, "asconfig.json"), "utf8")) as { options: Record<string, unknown> };
  const folder = await mkdtemp(join(tmpdir(), "tidegate-code-size-"));
  try {
    const [config, outFile] = [join(folder, "asconfig.json"), join(folder, "forecast.wasm")];
    const { textFile: _text, bindings: _bindings, ...same } = options;
    await writeFile(config, JSON.stringify({ entries: ENTRIES, options: { ...same, outFile } }));
    const { exitCode, output } = await runCommand(["asc", "--config", config, "--transform", ASC_TRANSFORM]);
    if (exitCode !== 0) throw new Error(`Cannot compile the forecaster alone: ${output}`);
    return (await stat(outFile)).size;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
