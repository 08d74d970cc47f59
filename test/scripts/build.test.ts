import { open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { bundleWorker } from "#scripts/build.ts";
import { temporaryFolder } from "#test/cli/run-cli.ts";

it("a bundle takes the old one's place whole: who reads the old one reads on, and a killed build leaves it", async () => {
  const folder = await temporaryFolder();
  const outFile = join(folder, "worker.js");
  for (const file of [outFile, `${outFile}.map`]) await writeFile(file, "old");
  const readers = await Promise.all([outFile, `${outFile}.map`].map(async (file) => open(file)));
  try {
    await bundleWorker("scripts/local/workers/front.ts", outFile);
    // Written in its place, the file that they hold would have the new text.
    for (const reader of readers) expect(await reader.readFile("utf8")).toBe("old");
  } finally {
    for (const reader of readers) await reader.close();
  }
  expect(await readFile(outFile, "utf8")).toMatch(/\n\/\/# sourceMappingURL=worker\.js\.map\n$/);
  expect((await readdir(folder)).toSorted()).toEqual(["worker.js", "worker.js.map"]);
});
