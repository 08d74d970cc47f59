import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { nearestName } from "#cli/nearest-name.ts";
import { formatDuration, parseDurationMs } from "#cli/option-values.ts";
import { createProgress } from "#cli/progress.ts";

async function progressOn(terminal: { isTTY?: boolean; columns?: number }): Promise<string> {
  const stream = Object.assign(new PassThrough(), terminal);
  let nowMs = 0;
  const progress = createProgress({ stream, label: "load", clockMs: () => nowMs });
  for (; nowMs <= 25_000; nowMs += 50) progress.update(nowMs / 20_000, `${nowMs} done`);
  progress.end();
  stream.end();
  return text(stream);
}

it("draws a bar on a terminal, no wider than it, at most ten times a second, and clears it away", async () => {
  const said = await progressOn({ isTTY: true, columns: 50 });
  const draws = said.split("\r").slice(1);
  expect(draws[0]).toMatch(/^\[·{16}\] {3}0 % {2}0 done/);
  expect(draws.at(-2)).toMatch(/^\[#{16}\] 100 % /);
  expect(draws.at(-1)).toBe("\x1b[K");
  expect(draws.length).toBeLessThanOrEqual(252);
  expect(Math.max(...draws.map((draw) => draw.replace("\x1b[K", "").length))).toBeLessThan(50);
});

it("says a plain line now and then elsewhere", async () => {
  expect(await progressOn({})).toBe("load: 50 %, 10000 done\nload: 100 %, 20000 done\n");
});

it.for([
  { name: "tokne", want: "token" },
  { name: "tkoen", want: "token" },
  { name: "stat", want: "status" },
  { name: "x", want: null },
  { name: "configure", want: null },
])("takes $name for $want", ({ name, want }) => {
  expect(nearestName(name, ["token", "status", "apply"])).toBe(want);
});

it.for([
  { text: "90s", ms: 90_000, shown: "1.5m" },
  { text: "250ms", ms: 250, shown: "250ms" },
  { text: "1.5h", ms: 5_400_000, shown: "1.5h" },
  { text: "2w", ms: 1_209_600_000, shown: "14d" },
  { text: "0s", ms: 0, shown: "0ms" },
])("reads the duration $text and shows it as $shown", ({ text: written, ms, shown }) => {
  expect(parseDurationMs(written)).toBe(ms);
  expect(formatDuration(ms)).toBe(shown);
});

it.for(["", "5", "5 s", "-5s", "5y", "1e3s", "s"])("takes %j for no duration", (written) => {
  expect(parseDurationMs(written)).toBeNull();
});
