import { afterEach, beforeEach, vi } from "vitest";

/** For every test of a file: time stands still until it is moved on, and nothing warns. */
export function useFakeTime(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
