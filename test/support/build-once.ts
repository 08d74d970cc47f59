/** Wasm and bundle are built before any test starts. */
export { build as setup } from "#scripts/build.ts";
