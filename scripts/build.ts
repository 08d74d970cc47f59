// Builds what runs: the Wasm (wasm/build), the Worker's bundle for workerd and the device SDK's (dist).
import { execFile } from "node:child_process";
import { mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
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
  const { outputFiles } = await bundle({
    absWorkingDir: ROOT,
    write: false,
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
  for (const { path, contents } of outputFiles) await writeWhole(path, contents);
}

/** One ES module beside the .wasm it imports; what workerd itself provides stays outside. `outFile` is absolute. */
export async function bundleWorker(entryPoint: string, outFile: string): Promise<void> {
  const { outputFiles } = await bundle({
    absWorkingDir: ROOT,
    write: false,
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
  const textOf = (file: string): string => {
    const made = outputFiles.find(({ path }) => path === file);
    if (made === undefined) throw new Error(`Cannot bundle ${entryPoint}: esbuild made no ${file}`);
    return made.text;
  };
  const shrunk = await shrink(basename(outFile), { source: textOf(outFile), map: textOf(`${outFile}.map`) });
  const others = outputFiles.filter(({ path }) => path !== outFile && path !== `${outFile}.map`);
  for (const { path, contents } of others) await writeWhole(path, contents);
  await writeWhole(`${outFile}.map`, shrunk.map);
  await writeWhole(outFile, shrunk.source);
}

interface Bundle {
  readonly source: string;
  readonly map: string;
}

/** What esbuild's minifier leaves, which does not look across statements: a twentieth of the Worker, gzipped. */
async function shrink(name: string, { source, map }: Bundle): Promise<Bundle> {
  const { code, map: newMap } = await transform(source, {
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
  if (newMap === undefined) throw new Error(`Cannot shrink ${name}: no source map came of it`);
  return { source: `${code}\n//# sourceMappingURL=${name}.map\n`, map: newMap };
}

/** The file is what it was or what it becomes, also for who reads it meanwhile and where the build is killed. */
async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(temporary, content);
  await rename(temporary, file);
}

async function changedAtMs(file: string): Promise<number> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => -1,
  );
}

if (import.meta.main) await build();
