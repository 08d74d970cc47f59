// npm run bench -- NAME [--json] [--save] [--rounds N]: measures, prints, and says whether the budgets hold.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "#scripts/build.ts";
import { ROOT } from "#scripts/root.ts";
import type { BenchOptions } from "./bench.ts";
import { forecast } from "./forecast/forecast.ts";
import { traceRows } from "./forecast/trace-rows.ts";
import { variants } from "./forecast/variants.ts";
import { gateway } from "./gateway/gateway.ts";
import { kernels } from "./kernels/kernels.ts";
import { leases } from "./leases/leases.ts";
import { provisioning } from "./provisioning/provisioning.ts";
import { formatReport, reportOf, type BenchRow } from "./report.ts";
import { sockets } from "./sockets/sockets.ts";

interface Bench {
  readonly run: (options: BenchOptions) => Promise<BenchRow[]>;
  /** Where the caller may choose how often it measures: this often otherwise. */
  readonly roundsDefault?: number;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  kernels: { run: ({ onProgress }) => kernels(onProgress) },
  // The whole of it; the traces alone, and the variants by their twin, are there for those who change them.
  forecast: { run: async ({ onProgress }) => [...(await forecast(onProgress)), ...(await traceRows(onProgress))] },
  "forecast-traces": { run: ({ onProgress }) => traceRows(onProgress) },
  "forecast-variants": { run: ({ onProgress }) => variants(onProgress) },
  provisioning: { run: ({ onProgress }) => provisioning(onProgress) },
  leases: { run: ({ onProgress }) => leases(onProgress) },
  gateway: { run: gateway, roundsDefault: 15 },
  sockets: { run: sockets, roundsDefault: 11 },
};
const ROUNDS_MAX = 1_000;
const NAMES = Object.keys(BENCHES).join(", ");
const HELP = `Usage: npm run bench -- NAME [--json] [--save] [--rounds N]

Measures, prints, and exits with 1 where a budget does not hold. NAME is one of ${NAMES}.

Options:
  --json      Print one JSON object
  --save      Keep it in bench/results, too
  --rounds N  How often to measure, of gateway and sockets (default 15 and 11; at most ${ROUNDS_MAX})
  --help      Say this`;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parse(argv);
  if (parsed === null) return 2;
  const { values, positionals } = parsed;
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [name = "", ...rest] = positionals;
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (bench === undefined || rest.length > 0) {
    console.error(`Cannot run bench ${JSON.stringify(positionals.join(" "))}: expected one of ${NAMES}`);
    return 2;
  }
  const rounds = Number(values.rounds ?? bench.roundsDefault ?? 1);
  if (
    !Number.isInteger(rounds) ||
    rounds < 1 ||
    rounds > ROUNDS_MAX ||
    (values.rounds !== undefined && bench.roundsDefault === undefined)
  ) {
    const expected = bench.roundsDefault === undefined ? `none with ${name}` : `an integer from 1 to ${ROUNDS_MAX}`;
    console.error(`Cannot run bench ${name}: --rounds is ${JSON.stringify(values.rounds)}, expected ${expected}`);
    return 2;
  }
  await build();
  const rows = await bench.run({ rounds, onProgress: (what) => console.error(`${name}: ${what}`) });
  const report = reportOf(name, rows);
  console.log(values.json ? JSON.stringify(report) : formatReport(report));
  if (values.save) {
    const folder = join(ROOT, "bench/results");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  }
  return rows.some(({ ok }) => ok === false) ? 1 : 0;
}

/** Null where an option is none, which is said. */
function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        json: { type: "boolean", default: false },
        save: { type: "boolean", default: false },
        rounds: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    console.error(
      `Cannot run a bench: ${error instanceof Error ? error.message : String(error)} (npm run bench -- --help says what there is)`,
    );
    return null;
  }
}
