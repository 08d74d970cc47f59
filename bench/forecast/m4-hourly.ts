// The training series of M4 Hourly, where they lie beside the project; never part of it.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "#scripts/root.ts";

export const M4_HOURLY_PATH = join(ROOT, "../shared/data/m4-hourly-train.csv");

/** One array per series; null where the file is absent. */
export async function readM4Hourly(): Promise<number[][] | null> {
  let text: string;
  try {
    text = await readFile(M4_HOURLY_PATH, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  return parseM4Hourly(text);
}

/** A header, then a row for each series: its name, its values, and empty cells to the end. */
export function parseM4Hourly(text: string): number[][] {
  return text.trim().split("\n").slice(1).map(parseRow);
}

function parseRow(row: string): number[] {
  const [, ...cells] = row.split(",").map((cell) => cell.trim().replaceAll('"', ""));
  return cells.filter((cell) => cell !== "").map(Number);
}
