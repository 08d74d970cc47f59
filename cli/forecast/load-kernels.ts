import { readFile } from "node:fs/promises";
import { MIB_BYTES } from "#shared/units.ts";
import { instantiateKernels, type Kernels } from "#wasm/binding/kernels.ts";
import { CliError } from "../output.ts";
import { isSystemError } from "../system-error.ts";

const WASM_FILE = new URL("../../wasm/build/tidegate.wasm", import.meta.url);
/** A forecaster's state, its model and the scratch memory, for every pair of seasons that a file may need. */
const MEMORY_BYTES = MIB_BYTES;

/** The kernels that the gateway runs. */
export async function loadKernels(): Promise<Kernels> {
  try {
    return instantiateKernels(new WebAssembly.Module(new Uint8Array(await readFile(WASM_FILE))), { memoryBytes: MEMORY_BYTES });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new CliError(`Cannot read ${WASM_FILE.pathname}: ${error.code}, expected the kernels: run \`npm run build\` once`, {
      cause: error,
    });
  }
}
