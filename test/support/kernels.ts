import { readFileSync } from "node:fs";
import { WASM_FILE } from "#scripts/build.ts";
import { instantiateKernels, type Kernels } from "#wasm/binding/kernels.ts";

let module: WebAssembly.Module | undefined;

/** A fresh instance of the built kernels. */
export function kernels(options: { memoryBytes?: number } = {}): Kernels {
  // Not before somebody wants it: a bench that imports this builds it first.
  module ??= new WebAssembly.Module(readFileSync(WASM_FILE));
  return instantiateKernels(module, options);
}
