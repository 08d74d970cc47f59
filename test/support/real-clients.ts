// Programs that are not ours, and whether they are here. CI brings them (.ci/run); elsewhere their tests are skipped, and say so.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

const PYTHONS = ["/usr/bin/python3", "python3"];
const CHROMIUMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** A Python that has Debian's python3-websockets. */
export function pythonWithWebsockets(): string | null {
  return PYTHONS.find((python) => runs(python, ["-c", "import websockets"])) ?? null;
}

export function chromium(): string | null {
  return CHROMIUMS.find((program) => existsSync(program)) ?? null;
}

/** Gives a program a terminal: util-linux's script. */
export function hasScript(): boolean {
  return runs("script", ["--version"]);
}

/** What a skipped test's name ends with. */
export function unlessHere(isHere: boolean, what: string): string {
  return isHere ? "" : ` (SKIPPED: ${what} is not installed)`;
}

function runs(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
