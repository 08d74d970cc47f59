// Runs a command that must not outlive its starter: `node leash.ts [--listener] COMMAND …`. When standard input ends, which it
// does however the starter dies, the command is told to stop, and killed if it does not. Its file descriptor 3 is ours, and with
// --listener 4 too.
import { spawn } from "node:child_process";

const STOP_MS_MAX = 5_000;

const hasListener = process.argv[2] === "--listener";
const [command, ...args] = process.argv.slice(hasListener ? 3 : 2);
if (command === undefined) throw new Error("Cannot start: no command was named");
const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit", 3, ...(hasListener ? [4] : [])] });
child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
child.on("error", (error) => {
  console.error(`Cannot start ${command}: ${error.message}`);
  process.exit(1);
});
// The terminal's Ctrl-C reaches this process too; the starter decides what happens.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
process.on("SIGTERM", stop);
process.stdin.on("end", stop).on("close", stop).on("error", stop).resume();

function stop(): void {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX).unref();
}
