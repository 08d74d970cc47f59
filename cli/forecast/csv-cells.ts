/** One cell, and where in its line it begins, from 1. */
export interface CsvCell {
  readonly text: string;
  readonly column: number;
}

/** The cells of one line, without quotes and the blanks around them; null where a quote is not closed or text follows one. */
export function csvCells(line: string): CsvCell[] | null {
  const cells: CsvCell[] = [];
  for (let at = 0; at <= line.length;) {
    const cell = line[skipBlanks(line, at)] === '"' ? quotedCell(line, skipBlanks(line, at)) : plainCell(line, at);
    if (cell === null) return null;
    cells.push({ text: cell.text.trim(), column: at + 1 });
    at = cell.end + 1;
  }
  return cells;
}

interface CellEnd {
  readonly text: string;
  /** Of the comma after it, or of the line. */
  readonly end: number;
}

function plainCell(line: string, at: number): CellEnd {
  const comma = line.indexOf(",", at);
  const end = comma < 0 ? line.length : comma;
  return { text: line.slice(at, end), end };
}

// RFC 4180: a quote inside is doubled.
function quotedCell(line: string, at: number): CellEnd | null {
  let text = "";
  for (let from = at + 1; ;) {
    const quote = line.indexOf('"', from);
    if (quote < 0) return null;
    text += line.slice(from, quote);
    if (line[quote + 1] !== '"') {
      const end = skipBlanks(line, quote + 1);
      return end === line.length || line[end] === "," ? { text, end } : null;
    }
    text += '"';
    from = quote + 2;
  }
}

function skipBlanks(line: string, at: number): number {
  let next = at;
  while (line[next] === " " || line[next] === "\t") next += 1;
  return next;
}
