// What the forecasters weigh: compiled alone, as the whole is.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ASC_TRANSFORM } from "#scripts/build.ts";
import { ROOT } from "#scripts/root.ts";
import { runCommand } from "#scripts/run-command.ts";

const SEASONAL = ["abort", "forecast/seasonal", "forecast/seasonal-blob", "forecast/shares"];
const ENTRIES = { seasonal: SEASONAL, whole: [...SEASONAL, "forecast/fine/fine", "forecast/fine/calendar", "forecast/fine/fine-blob"] };

export interface CodeSize {
  /** The functions' instructions. */
  readonly codeBytes: number;
  /** With types, names, globals and data. */
  readonly moduleBytes: number;
}

/** Of a module that has the hourly core, or it and the minutes, with what they use, and nothing else. */
export async function forecasterCodeSize(part: keyof typeof ENTRIES): Promise<CodeSize> {
  const { options } = JSON.parse(await readFile(join(ROOT, "asconfig.json"), "utf8")) as { options: Record<string, unknown> };
  const folder = await mkdtemp(join(tmpdir(), "tidegate-code-size-"));
  try {
    const [config, outFile] = [join(folder, "asconfig.json"), join(folder, "forecast.wasm")];
    const { textFile: _text, bindings: _bindings, ...same } = options;
    await writeFile(
      config,
      JSON.stringify({ entries: ENTRIES[part].map((name) => join(ROOT, `wasm/assembly/${name}.ts`)), options: { ...same, outFile } }),
    );
    const { exitCode, output } = await runCommand(["asc", "--config", config, "--transform", ASC_TRANSFORM]);
    if (exitCode !== 0) throw new Error(`Cannot compile the forecaster alone: ${output}`);
    const module = await readFile(outFile);
    return { codeBytes: codeSectionBytes(module), moduleBytes: module.length };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const HEADER_BYTES = 8;
const CODE_SECTION = 10;

// Section after section: u8 id · its length, LEB128 · itself.
function codeSectionBytes(module: Uint8Array): number {
  for (let at = HEADER_BYTES; at < module.length;) {
    const id = module[at] ?? 0;
    let [length, shift, byte] = [0, 0, 0];
    do {
      byte = module[(at += 1)] ?? 0;
      length |= (byte & 127) << shift;
      shift += 7;
    } while (byte >= 128);
    at += 1 + length;
    if (id === CODE_SECTION) return length;
  }
  throw new Error("Cannot measure the forecaster's code: its module has no code section");
}
