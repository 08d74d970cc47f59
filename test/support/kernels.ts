import { readFileSync } from "node:fs";
import { WASM_FILE } from "#scripts/build.ts";
import { instantiateKernels, type Kernels } from "#wasm/binding/kernels.ts";

const module = new WebAssembly.Module(readFileSync(WASM_FILE));

/** A fresh instance of the built kernels. */
export function kernels(options?: { memoryBytes: number }): Kernels {
  return instantiateKernels(module, options);
}
