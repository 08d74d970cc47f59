// A transform for the AssemblyScript compiler: the forecaster's functions are called, never copied into their callers. At -O3
// the copies are a fifth of its code (18.7 KB, of which 4.1 go) for a fifteenth of its time; the other kernels stay as they are.

/** Of binaryen's interface what is used: asc puts its own instance on a transform's prototype, where a field would hide it. */
/** @typedef {{ binaryen: { setPassArgument(name: string, value: string | null): void } }} Given */

// oxlint-disable-next-line import/no-default-export -- asc takes a transform as a default export.
export default class {
  /** @param {{ runPasses(passes: readonly string[]): void }} module Not optimised yet. */
  afterCompile(module) {
    const { binaryen } = /** @type {Given} */ (/** @type {unknown} */ (this));
    binaryen.setPassArgument("no-inline", "wasm/assembly/forecast/*");
    module.runPasses(["no-inline"]);
    binaryen.setPassArgument("no-inline", null);
  }
}
