// The first step of every npm script: runs on any Node ≥ 20, installs what the lock file names, then hands
// over to the project's own Node 24. Plain JavaScript, because Node 20 runs no TypeScript.
//   node scripts/bootstrap.mjs scripts/start.ts …arguments
//   node scripts/bootstrap.mjs --installed          (npm, after who has installed by hand: nothing is installed twice)
//
// npm does not pass signals on through a shell, and its shell may outlive it: so this process also ends, and
// ends what it started, when npm or the shell in between is gone.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const NODE_MAJOR_MIN = 20;
const STAMP_FILE = join(ROOT, "node_modules/.tidegate-installed");
const LOCK_FOLDER = join(ROOT, ".tidegate-installing");
const OWN_NODE = join(ROOT, "node_modules/node/bin/node");
const ANCESTOR_POLL_MS = 500;
const INSTALL_MS_MAX = 15 * 60_000;

let hasLock = false;

if (Number(process.versions.node.split(".")[0]) < NODE_MAJOR_MIN) {
  fail(`Cannot run on Node ${process.versions.node}: expected ${NODE_MAJOR_MIN} or later`);
}
const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail("Cannot start: no script was named, expected node scripts/bootstrap.mjs SCRIPT");
if (script === "--installed") {
  if (existsSync(OWN_NODE)) writeFileSync(STAMP_FILE, wantedStamp());
  process.exit(0);
}
await ensureInstalled();
run();

function wantedStamp() {
  return createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
}

/** Installs unless what is installed is what the lock file says. */
async function ensureInstalled() {
  const wanted = wantedStamp();
  const isInstalled = () => existsSync(OWN_NODE) && existsSync(STAMP_FILE) && readFileSync(STAMP_FILE, "utf8") === wanted;
  if (isInstalled()) return;
  await takeLock();
  try {
    if (isInstalled()) return;
    console.error("Installing what package-lock.json names (once; needs a package registry) …");
    // npm tells its scripts where it is; without npm, it is on the PATH.
    const npm = process.env.npm_execpath;
    const [command, first] = npm?.endsWith("js") ? [process.execPath, [npm]] : ["npm", []];
    const { status } = spawnSync(command, [...first, "ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: ROOT,
      stdio: ["ignore", 2, 2],
    });
    if (status !== 0) fail("Cannot install: npm ci failed (see above), expected a reachable package registry");
    if (!existsSync(OWN_NODE)) fail("Cannot install: the package node brought no node/bin/node, expected install scripts to be allowed");
    writeFileSync(STAMP_FILE, wanted);
  } finally {
    rmSync(LOCK_FOLDER, { recursive: true, force: true });
  }
}

/** Two commands on a fresh clone at once: the second waits for the first. */
async function takeLock() {
  const giveUpAtMs = Date.now() + INSTALL_MS_MAX;
  for (;;) {
    try {
      mkdirSync(LOCK_FOLDER);
      hasLock = true;
      writeFileSync(join(LOCK_FOLDER, "pid"), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const owner = Number(existsSync(join(LOCK_FOLDER, "pid")) ? readFileSync(join(LOCK_FOLDER, "pid"), "utf8") : 0);
    if (owner > 0 && !isAlive(owner)) rmSync(LOCK_FOLDER, { recursive: true, force: true });
    else if (Date.now() > giveUpAtMs) throw new Error(`Cannot install: another installation holds ${LOCK_FOLDER}, expected it to end`);
    else await new Promise((resolve) => setTimeout(resolve, ANCESTOR_POLL_MS));
  }
}

function run() {
  const child = spawn(OWN_NODE, [join(ROOT, script), ...args], {
    stdio: "inherit",
    env: {
      ...process.env,
      PATH: `${dirname(OWN_NODE)}:${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`,
      WRANGLER_SEND_METRICS: "false",
    },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  const watched = ancestors();
  const poll = setInterval(() => {
    if (process.ppid === watched[0] && watched.every(isAlive)) return;
    clearInterval(poll);
    child.kill("SIGTERM");
  }, ANCESTOR_POLL_MS);
  child.on("exit", (code, signal) => {
    clearInterval(poll);
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
  });
}

/** The shell that npm started us in, and npm; nobody where it was not npm. */
function ancestors() {
  if (process.env.npm_lifecycle_event === undefined) return [process.ppid];
  try {
    return [process.ppid, Number(execFileSync("ps", ["-o", "ppid=", "-p", String(process.ppid)], { encoding: "utf8" }).trim())].filter(
      (pid) => pid > 1,
    );
  } catch {
    return [process.ppid];
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function fail(message) {
  console.error(message);
  if (hasLock) rmSync(LOCK_FOLDER, { recursive: true, force: true });
  process.exit(1);
}
