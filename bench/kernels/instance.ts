import { readFileSync } from "node:fs";
import { WASM_FILE } from "#scripts/build.ts";
import { instantiateKernels, type Kernels } from "#wasm/binding/kernels.ts";

/** A fresh instance with room for what is measured. */
export function kernelsFor(memoryBytes: number): Kernels {
  return instantiateKernels(new WebAssembly.Module(readFileSync(WASM_FILE)), { memoryBytes });
}
