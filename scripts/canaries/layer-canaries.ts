// One forbidden import per layer rule (docs/architecture.md): each must be refused in the file that has it.
import type { Canary } from "./canary.ts";

/** What is wrong · where it is planted · what it imports (nothing needs to be there: the rule judges the line). */
const FORBIDDEN = [
  ["shared imports another layer", "shared/canary-layer.ts", "#durable/lease/canary.ts"],
  ["shared imports Node", "shared/canary-node.ts", "node:fs"],
  ["shared imports the platform", "shared/canary-platform.ts", "cloudflare:workers"],
  ["shared imports a test's helper", "shared/canary-test.ts", "#test/support/canary.ts"],
  ["shared crosses a folder by a relative path", "shared/config/canary-relative.ts", "../../durable/lease/ledger.ts"],
  ["a kernel imports TypeScript", "wasm/assembly/canary-shared.ts", "#shared/limits.ts"],
  ["a kernel imports its binding", "wasm/assembly/hash/canary-binding.ts", "../../binding/hash"],
  ["a binding imports its twin", "wasm/binding/canary-twin.ts", "#wasm/reference/xxh64.ts"],
  ["a binding imports its twin by a relative path", "wasm/binding/canary-relative.ts", "../reference/xxh64.ts"],
  ["a binding imports a kernel's source", "wasm/binding/canary-kernel.ts", "../assembly/hash/xxh64.ts"],
  ["a twin imports its binding", "wasm/reference/canary-binding.ts", "#wasm/binding/hash.ts"],
  ["an object imports another object", "durable/pool/canary-object.ts", "#durable/shard/shard-object.ts"],
  ["an object imports another object by a relative path", "durable/pool/canary-relative.ts", "../registry/registry-object.ts"],
  ["an object crosses to the lease by a relative path", "durable/pool/canary-lease.ts", "../lease/ledger.ts"],
  ["an object imports the gateway", "durable/shard/canary-gateway.ts", "#gateway/app.ts"],
  ["an object imports a twin", "durable/pool/canary-twin.ts", "#wasm/reference/xxh64.ts"],
  ["an object imports a bench", "durable/registry/canary-bench.ts", "../../bench/canary.ts"],
  ["the lease imports the platform", "durable/lease/canary-platform.ts", "cloudflare:workers"],
  ["durable/lib imports the lease", "durable/lib/canary-lease.ts", "#durable/lease/ledger.ts"],
  ["the gateway imports a value from an object", "gateway/routes/canary-object.ts", "#durable/pool/pool.ts"],
  ["the gateway imports Node", "gateway/canary-node.ts", "node:fs"],
  ["the gateway imports the command line", "gateway/canary-cli.ts", "#cli/main.ts"],
  ["the gateway imports a script", "gateway/canary-script.ts", "#scripts/root.ts"],
  ["the gateway imports a twin", "gateway/upstream/canary-twin.ts", "#wasm/reference/xxh64.ts"],
  ["the gateway crosses a folder by a relative path", "gateway/middleware/canary-relative.ts", "../../shared/limits.ts"],
  ["the SDK imports the gateway", "client/canary-gateway.ts", "#gateway/app.ts"],
  ["the SDK imports Node", "client/canary-node.ts", "node:fs"],
  ["the SDK crosses a folder by a relative path", "client/canary-relative.ts", "../shared/limits.ts"],
  ["a command imports an object", "cli/commands/canary-object.ts", "#durable/pool/pool.ts"],
  ["a command imports a script", "cli/commands/canary-script.ts", "#scripts/root.ts"],
  ["a command crosses a folder by a relative path", "cli/commands/canary-relative.ts", "../../shared/limits.ts"],
  ["the dashboard imports the gateway", "dashboard/canary-gateway.ts", "#gateway/app.ts"],
  ["the dashboard crosses a folder by a relative path", "dashboard/canary-relative.ts", "../shared/limits.ts"],
  ["a test imports AssemblyScript", "test/canary-assembly.ts", "#wasm/assembly/hash/xxh64.ts"],
  ["a script crosses a folder by a relative path", "scripts/canary-relative.ts", "../shared/limits.ts"],
  ["a bench crosses a folder by a relative path", "bench/canary-relative.ts", "../shared/limits.ts"],
  ["a test crosses a folder by a relative path", "test/shared/canary-relative.ts", "../../shared/limits.ts"],
] as const;

const importing = (specifier: string): string => `import { canary } from "${specifier}";\nexport const planted = canary;\n`;

export const LAYER_CANARIES: readonly Canary[] = [
  ...FORBIDDEN.map(([name, file, specifier]): Canary => ({
    name,
    file,
    judge: "lint",
    plant: () => importing(specifier),
    expect: "no-restricted-imports",
  })),
  {
    name: "the composition root imports the command line",
    judge: "lint",
    file: "gateway/worker.ts",
    plant: (before) => importing("#cli/main.ts") + before,
    expect: "no-restricted-imports",
  },
  {
    name: "the gateway imports the command line when it needs it",
    judge: "lint",
    file: "gateway/canary-dynamic.ts",
    plant: () => `export const planted = async (): Promise<unknown> => import("#cli/main.ts");\n`,
    expect: "no-restricted-imports",
  },
  {
    name: "the gateway imports a type from an object (allowed)",
    judge: "lint",
    file: "gateway/canary-type-import.ts",
    plant: () => `import type { canary } from "#durable/pool/canary.ts";\nexport type Planted = typeof canary;\n`,
    expect: null,
  },
];
