import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** What a test waits for comes when it comes: on a busy machine later than in vitest's second. */
const expectSlowly = { poll: { timeout: 10_000 } };

/** The suffix says the runtime: *.worker.test.ts runs inside workerd, every other *.test.ts in Node. */
export default defineConfig({
  test: {
    // Two files at a time also on two cores: most of an end-to-end test is waiting.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.worker.test.ts"],
          globalSetup: ["test/support/build-once.ts"],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: expectSlowly,
        },
      },
      {
        plugins: [cloudflareTest({ main: "./gateway/worker.ts", wrangler: { configPath: "./wrangler.toml" } })],
        test: { name: "worker", include: ["test/**/*.worker.test.ts"], testTimeout: 30_000, expect: expectSlowly },
      },
    ],
  },
});
