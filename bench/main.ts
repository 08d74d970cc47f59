// npm run bench -- NAME [--json] [--save]: measures, prints, and says whether the budgets hold.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "#scripts/build.ts";
import { ROOT } from "#scripts/root.ts";
import { forecast } from "./forecast/forecast.ts";
import { kernels } from "./kernels/kernels.ts";
import { leases } from "./leases/leases.ts";
import { formatReport, reportOf, type BenchRow } from "./report.ts";

/** Each prints its progress on stderr while it runs. */
const BENCHES: Readonly<Record<string, (onProgress: (what: string) => void) => Promise<BenchRow[]>>> = { kernels, forecast, leases };

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: { json: { type: "boolean", default: false }, save: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const [name = "", ...rest] = positionals;
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (bench === undefined || rest.length > 0) {
    console.error(`Cannot run bench ${JSON.stringify(positionals.join(" "))}: expected one of ${Object.keys(BENCHES).join(", ")}`);
    return 2;
  }
  await build();
  const rows = await bench((what) => console.error(`${name}: ${what}`));
  const report = reportOf(name, rows);
  console.log(values.json ? JSON.stringify(report) : formatReport(report));
  if (values.save) {
    const folder = join(ROOT, "bench/results");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  }
  return rows.some(({ ok }) => ok === false) ? 1 : 0;
}
