// The device SDK's declarations beside its bundle: dist/client.d.ts, and what it stands on in dist/types.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./root.ts";

const DIST = join(ROOT, "dist");
/** What is published: the bundle's name, and the module that it is made of. */
export const CLIENT_MODULES = { client: "client/index", "message-dedupe": "client/message-dedupe" } as const;

const SPECIFIER = /(?<=from |import\()"(\.{1,2}\/|#)([^"]+)\.ts"/g;

export async function buildClientTypes(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-types-"));
  try {
    const options = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", folder, "--rootDir", ROOT];
    const alone = ["--composite", "false", "--incremental", "false", "--tsBuildInfoFile", "null"];
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    await promisify(execFile)(process.execPath, [tsc, "-p", "tsconfig.client.json", ...alone, ...options], { cwd: ROOT });
    await rm(join(DIST, "types"), { recursive: true, force: true });
    for (const module of await reachable(folder, Object.values(CLIENT_MODULES))) {
      const text = await readFile(join(folder, `${module}.d.ts`), "utf8");
      const file = join(DIST, "types", `${module}.d.ts`);
      await mkdir(dirname(file), { recursive: true });
      // A reader has no `imports` of ours, and looks for what runs.
      await writeFile(
        file,
        text.replaceAll(SPECIFIER, (_, root: string, rest: string) => `"${relative(module, targetOf(module, root, rest))}.js"`),
      );
    }
    for (const [name, module] of Object.entries(CLIENT_MODULES))
      await writeFile(join(DIST, `${name}.d.ts`), `export * from "./types/${module}.js";\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Modules that the published ones name, and those that these name. */
async function reachable(folder: string, modules: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set(modules);
  for (const module of found) {
    const text = await readFile(join(folder, `${module}.d.ts`), "utf8");
    for (const [, root = "", rest = ""] of text.matchAll(SPECIFIER)) found.add(targetOf(module, root, rest));
  }
  return found;
}

function targetOf(module: string, root: string, rest: string): string {
  return root === "#" ? rest : posix.join(posix.dirname(module), root, rest);
}

function relative(from: string, to: string): string {
  const path = posix.relative(posix.dirname(from), to);
  return path.startsWith(".") ? path : `./${path}`;
}
