// Builds what runs: the Wasm (wasm/build), the Worker's bundle for workerd and the device SDK's (dist).
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { transform } from "@swc/core";
import { build as bundle } from "esbuild";
import { buildClientTypes, CLIENT_MODULES } from "./client-types.ts";
import { ROOT } from "./root.ts";
import { zodWithoutJsonSchema } from "./zod-without-json-schema.ts";

export const WASM_FILE = join(ROOT, "wasm/build/tidegate.wasm");
/** asc resolves what its configuration names as a package's, so it is named on the command line. */
export const ASC_TRANSFORM = join(ROOT, "scripts/asc-forecast-calls.mjs");
export const BUNDLE_FOLDER = join(ROOT, "dist");
export const BUNDLE_FILE = join(BUNDLE_FOLDER, "worker.js");
/** What the front processes of `npm start` run. */
export const FRONT_BUNDLE_FILE = join(BUNDLE_FOLDER, "front.js");

/** Builds Wasm and bundles. */
export async function build(): Promise<void> {
  await buildWasm();
  await buildBundle();
  await buildClient();
  await buildClientTypes();
}

/** Compiles the kernels, unless the result is newer than every source. */
export async function buildWasm(): Promise<void> {
  const sources = (await readdir(join(ROOT, "wasm/assembly"), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const settings = [join(ROOT, "asconfig.json"), ASC_TRANSFORM];
  const newest = Math.max(...(await Promise.all([...sources, ...settings].map(changedAtMs))));
  if ((await changedAtMs(WASM_FILE)) > newest) return;
  await mkdir(join(ROOT, "wasm/build"), { recursive: true });
  await promisify(execFile)(
    process.execPath,
    [join(ROOT, "node_modules/assemblyscript/bin/asc.js"), "--config", "asconfig.json", "--transform", ASC_TRANSFORM],
    { cwd: ROOT },
  );
}

/** The gateway's bundle, and its front processes'. */
export async function buildBundle(): Promise<void> {
  await bundleWorker("gateway/worker.ts", BUNDLE_FILE);
  await bundleWorker("scripts/local/workers/front.ts", FRONT_BUNDLE_FILE);
}

/** The device SDK as one ES module, and its backends' helper as another: for whoever takes no packages, too. */
async function buildClient(): Promise<void> {
  await bundle({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(Object.entries(CLIENT_MODULES).map(([name, module]) => [name, `${module}.ts`])),
    outdir: BUNDLE_FOLDER,
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    minify: true,
    sourcemap: "linked",
    logLevel: "warning",
  });
}

/** One ES module beside the .wasm it imports; what workerd itself provides stays outside. */
export async function bundleWorker(entryPoint: string, outFile: string): Promise<void> {
  await bundle({
    absWorkingDir: ROOT,
    entryPoints: [entryPoint],
    outfile: outFile,
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["workerd", "worker", "import"],
    target: "es2024",
    minify: true,
    sourcemap: "linked",
    external: ["cloudflare:*", "node:*"],
    loader: { ".wasm": "copy" },
    assetNames: "[name]",
    logLevel: "warning",
    plugins: [zodWithoutJsonSchema],
  });
  await shrink(outFile);
}

/** What esbuild's minifier leaves, which does not look across statements: a twentieth of the Worker, gzipped. */
async function shrink(file: string): Promise<void> {
  const [source, map] = await Promise.all([readFile(file, "utf8"), readFile(`${file}.map`, "utf8")]);
  const name = basename(file);
  const shrunk = await transform(source, {
    swcrc: false,
    filename: name,
    isModule: true,
    inputSourceMap: map,
    sourceMaps: true,
    minify: true,
    jsc: {
      target: "es2024",
      minify: { module: true, compress: { passes: 3 }, mangle: true },
      // One character beyond Latin-1, and V8 keeps two bytes for each of them all.
      output: { charset: "ascii" },
    },
  });
  if (shrunk.map === undefined) throw new Error(`Cannot shrink ${file}: no source map came of it`);
  await writeFile(`${file}.map`, shrunk.map);
  await writeFile(file, `${shrunk.code}\n//# sourceMappingURL=${name}.map\n`);
}

async function changedAtMs(file: string): Promise<number> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => -1,
  );
}

if (import.meta.main) await build();
