import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** A test that waits for something goes on as soon as it is so: how long that may take is no part of what it checks. */
const expect = { poll: { timeout: 15_000 } };

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
          expect,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [cloudflareTest({ main: "./gateway/worker.ts", wrangler: { configPath: "./wrangler.toml" } })],
        // Tests of one file that say so run at the same time: they wait for objects' timers, not for the processor.
        test: {
          name: "worker",
          include: ["test/**/*.worker.test.ts"],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect,
          maxConcurrency: 24,
        },
      },
    ],
  },
});
