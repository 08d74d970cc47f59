import { SECOND_MS } from "#shared/units.ts";
import type { TextStream } from "./output.ts";

export interface Progress {
  /** `ratio` from 0 to 1; `text` says what happened so far. */
  update(ratio: number, text: string): void;
  /** Clears the bar away. */
  end(): void;
}

const REDRAW_INTERVAL_MS = 100;
/** Without a terminal nobody watches: a line now and then, for the log. */
const LINE_INTERVAL_MS = 10 * SECOND_MS;
const BAR_WIDTH = 16;
const COLUMNS_DEFAULT = 80;

/** A bar that redraws itself on a terminal; elsewhere an occasional line. */
export function createProgress({ stream, label, clockMs }: { stream: TextStream; label: string; clockMs: () => number }): Progress {
  const isTerminal = stream.isTTY === true;
  const intervalMs = isTerminal ? REDRAW_INTERVAL_MS : LINE_INTERVAL_MS;
  // A terminal sees the bar at once; a log hears of it only if the work takes long.
  let shownAtMs = isTerminal ? -Infinity : clockMs();
  let isDrawn = false;
  return {
    update(ratio, text) {
      const nowMs = clockMs();
      if (nowMs - shownAtMs < intervalMs) return;
      shownAtMs = nowMs;
      const percent = `${Math.floor(clamp(ratio) * 100)} %`;
      if (!isTerminal) return void stream.write(`${label}: ${percent}, ${text}\n`);
      isDrawn = true;
      stream.write(`\r${`${drawBar(ratio)} ${percent.padStart(5)}  ${text}`.slice(0, (stream.columns ?? COLUMNS_DEFAULT) - 1)}\x1b[K`);
    },
    end() {
      if (isDrawn) stream.write("\r\x1b[K");
      isDrawn = false;
    },
  };
}

function drawBar(ratio: number): string {
  const filled = Math.round(clamp(ratio) * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"·".repeat(BAR_WIDTH - filled)}]`;
}

function clamp(ratio: number): number {
  return Math.min(1, Math.max(0, ratio));
}
