import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { greet } from "#scripts/local/greeting.ts";
import { validateConfiguration } from "#shared/config/validate.ts";

const VALIDATED = validateConfiguration([
  { file: "classes.yaml", document: { classes: { gold: { weight: 8 } } } },
  { file: "services/echo.yaml", document: { service: "echo", endpoints: [{ url: "http://127.0.0.1:9101", capacity: 1 }] } },
  { file: "tenants/acme.yaml", document: { tenant: "acme", keys: { state: true }, services: { echo: { gold: {} } } } },
]);

it.for(["/tmp/state", "/tmp/my state", "/tmp/it's $HOME"])(
  "prints a line that a shell takes as it is meant, for the state folder %s",
  (stateFolder) => {
    if (!VALIDATED.ok) throw new Error(JSON.stringify(VALIDATED.errors));
    const { configuration } = VALIDATED;
    const running = {
      url: "http://127.0.0.1:8787",
      version: 1,
      configuration,
      backends: [],
      agents: [],
      frontCount: 0,
      demandSpeed: 1,
      notes: [],
    };
    const line =
      greet({ ...running, stateFolder })
        .split("\n")
        .find((text) => text.includes("T=$(")) ?? "";
    const said = execFileSync("sh", ["-c", `npx() { printf '<%s>' "$@"; }; ${line}; printf %s "$T"`], { encoding: "utf8" });
    expect(said).toMatch(/^<tidegate><token><--tenant><acme>/);
    expect(said.endsWith(`<--state><${stateFolder}>`)).toBe(true);
  },
);
