import type { Configuration } from "#shared/config/schema.ts";
import type { LocalAgent } from "./agent-process.ts";
import type { DemoProcess } from "./demo-process.ts";

export interface GreetingInput {
  readonly url: string;
  readonly version: number;
  readonly configuration: Configuration;
  readonly backends: readonly Pick<DemoProcess, "service" | "url">[];
  readonly agents: readonly Pick<LocalAgent, "url" | "services" | "unitCountMax">[];
  readonly frontCount: number;
  readonly demandSpeed: number;
  /** Null: the default. */
  readonly stateFolder: string | null;
  readonly notes: readonly string[];
}

/** What runs, and three lines to paste into another terminal. */
export function greet({
  url,
  version,
  configuration,
  backends,
  agents,
  frontCount,
  demandSpeed,
  stateFolder,
  notes,
}: GreetingInput): string {
  const example = exampleOf(configuration);
  const stateOption = stateFolder === null ? "" : ` --state ${shellWord(stateFolder)}`;
  const lines = [
    "",
    `Tidegate listens on ${url} (configuration version ${version}; services ${Object.keys(configuration.services).join(", ") || "none"})`,
    ...(frontCount === 0 ? [] : [`  front processes that hold the devices' connections: ${frontCount}`]),
    ...backends.map((backend) => `  demo backend of ${backend.service}: ${backend.url}`),
    ...agents.map(
      ({ url: at, services, unitCountMax }) =>
        `  capacity agent of ${services.join(", ")}: ${at} starts and stops up to ${unitCountMax} backend processes, as planned`,
    ),
    ...(demandSpeed === 1 ? [] : [`  demand is told ${demandSpeed} times as fast as on the wall: forecasts and plans live by that clock`]),
    ...notes.map((note) => `  ${note}`),
    "",
  ];
  if (example !== null) {
    const { tenant, service, className } = example;
    lines.push(
      "Try, in another terminal, from this folder:",
      "",
      `  T=$(npx tidegate token --tenant ${tenant} --device d-1 --service ${service} --class ${className}${stateOption})`,
      `  curl -H "Authorization: Bearer $T" ${url}/s/${service}/hello`,
      `  npx tidegate socket --service ${service} --token "$T" --url ${url} --message hello`,
      "",
    );
  }
  return [...lines, "Ctrl-C stops everything."].join("\n");
}

/** As a shell takes it for one word. */
function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A tenant, service and class that go together: the first that are configured. */
function exampleOf({ tenants }: Configuration): { tenant: string; service: string; className: string } | null {
  for (const { tenant, services } of Object.values(tenants)) {
    for (const [service, quotas] of Object.entries(services)) {
      for (const className of Object.keys(quotas)) return { tenant, service, className };
    }
  }
  return null;
}
