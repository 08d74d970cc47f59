#!/usr/bin/env node
// The bin. Plain JavaScript, because whatever Node the machine has must run it; the command itself is
// TypeScript and needs Node 24, which the project brings along as an npm package.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NODE_MAJOR_MIN = 24;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

// npm links the bin: its real path says where the project is.
const folder = dirname(realpathSync(fileURLToPath(import.meta.url)));
const argv = process.argv.slice(2);

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) {
  const { main } = await import("./main.ts");
  process.exitCode = await main(argv);
} else {
  const node = join(folder, "../node_modules/node/bin/node");
  if (existsSync(node)) runWith(node);
  else {
    const found = `it needs Node ${NODE_MAJOR_MIN} and this is Node ${process.versions.node}`;
    process.stderr.write(`Cannot run tidegate: ${found}, expected the project's own at ${node}: run \`npm start\` or \`npm ci\` once\n`);
    process.exitCode = 1;
  }
}

/** @param {string} node */
function runWith(node) {
  const child = spawn(node, [join(folder, "main.ts"), ...argv], { stdio: "inherit" });
  // A terminal's Ctrl-C reaches the child twice, by itself and through here: cli/interrupt.ts counts that as once.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(/** @type {NodeJS.Signals} */ (signal)));
  child.on("error", (error) => {
    process.stderr.write(
      `Cannot run tidegate: ${node} does not start (${error.message}), expected Node ${NODE_MAJOR_MIN}: run \`npm ci\`\n`,
    );
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    // 128 + n is how shells report a death by signal n.
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
  });
}
