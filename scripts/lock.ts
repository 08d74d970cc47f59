// Completes package-lock.json for every platform: `node scripts/lock.ts`, after a change of package.json.
//
// Native packages name one optional dependency per platform. A registry mirror may lack those of other platforms;
// npm then leaves them out of the lock, and `npm ci` refuses such a lock on every platform. Their versions are
// exact in their parents, so the entries are written here: version, os and cpu, without an integrity hash.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./root.ts";

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Record<string, LockEntry>;
}

const OS: Readonly<Record<string, string>> = {
  windows: "win32",
  win32: "win32",
  darwin: "darwin",
  linux: "linux",
  android: "android",
  freebsd: "freebsd",
  openharmony: "openharmony",
  sunos: "sunos",
};
const CPU: Readonly<Record<string, string>> = {
  "64": "x64",
  x64: "x64",
  arm64: "arm64",
  arm: "arm",
  ia32: "ia32",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
};
const LIBC: Readonly<Record<string, string>> = { musl: "musl", musleabihf: "musl", gnu: "glibc", gnueabihf: "glibc" };

/** Adds an entry for each optional dependency that has none; returns how many. */
export function completeLock(lock: Lock): number {
  let added = 0;
  for (const [path, parent] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if (!/^\d+\.\d+\.\d+/.test(version) || `node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages)
        continue;
      lock.packages[`node_modules/${name}`] = {
        version,
        ...platformOf(name),
        ...(parent.dev === true ? { dev: true } : {}),
        optional: true,
      };
      added += 1;
    }
  }
  return added;
}

/** Platform by the package's name, as all of these are named: …-linux-arm64-musl. */
function platformOf(name: string): Pick<LockEntry, "os" | "cpu" | "libc"> {
  const words = name.slice(name.lastIndexOf("/") + 1).split("-");
  const pick = (table: Readonly<Record<string, string>>): string | undefined =>
    words.map((word) => table[word]).find((found) => found !== undefined);
  const [os, cpu, libc] = [pick(OS), pick(CPU), pick(LIBC)];
  if (os === undefined || cpu === undefined) throw new Error(`Cannot tell the platform of ${name} by its name`);
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc: [libc] }) };
}

if (import.meta.main) {
  execFileSync("npm", ["install", "--package-lock-only", "--ignore-scripts", "--loglevel=error"], { cwd: ROOT, stdio: "inherit" });
  const file = join(ROOT, "package-lock.json");
  const lock = JSON.parse(readFileSync(file, "utf8")) as Lock & Record<string, unknown>;
  const added = completeLock(lock);
  const packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
  console.log(`package-lock.json: ${Object.keys(packages).length} packages, ${added} of them added for other platforms`);
}
