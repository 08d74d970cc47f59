import { SECOND_MS } from "#shared/units.ts";

/** A terminal's Ctrl-C can arrive twice, from the terminal and passed on by the bin: within this, it is one. */
const ECHO_MS = SECOND_MS / 4;
/** As shells report a death by SIGINT. */
const EXIT_INTERRUPTED = 130;

/** Aborted by the first SIGINT, so that a command can end in order; a second one ends the process at once. */
export function watchInterrupt(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  let firstAtMs: number | null = null;
  const onInterrupt = (): void => {
    if (firstAtMs !== null && performance.now() - firstAtMs > ECHO_MS) process.exit(EXIT_INTERRUPTED);
    firstAtMs ??= performance.now();
    controller.abort();
  };
  process.on("SIGINT", onInterrupt);
  return { signal: controller.signal, stop: () => void process.off("SIGINT", onInterrupt) };
}
