import { build } from "#scripts/build.ts";

/** Wasm and bundle are built before any test starts. */
export default build;
