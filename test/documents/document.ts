// The project's documents, as tests read them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "#scripts/root.ts";

/** README and docs/, but for the decisions: those say what was true when they were made. */
export function documentNames(): string[] {
  return ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...under("docs"), ...under("docs/design")];
}

export function decisionNames(): string[] {
  return under("docs/decisions");
}

export function documentText(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** Cells of the tables' rows that have so many columns; heads and rules left out. */
export function tableRows(text: string, columns: number): string[][] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    if (!line.startsWith("|") || isRule(line) || isRule(lines[index + 1] ?? "")) return [];
    const cells = line.slice(1, line.lastIndexOf("|")).split("|");
    return cells.length === columns ? [cells.map((cell) => cell.trim())] : [];
  });
}

function under(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => (name.endsWith(".md") ? [`${folder}/${name}`] : []));
}

function isRule(line: string): boolean {
  return /^\|( --- \|)+$/.test(line);
}
