import type { ConfigurationDocument } from "#shared/config/read-documents.ts";

/** Slots of one backend process: as many as the largest shard has. */
const UNIT_SLOTS = 10;
const UNIT_COUNT = 12;
const UNIT_PRICE_PER_HOUR = 0.1;

/** The embedded default, but that the echo service lives on processes that a capacity agent at that port starts and stops, as planned. */
export function withProcessProvider(documents: readonly ConfigurationDocument[], agentPort: number): ConfigurationDocument[] {
  return documents.map(({ file, document }) => {
    if (file !== "services/echo.yaml") return { file, document };
    const endpoint = {
      url: `http://127.0.0.1:${agentPort}`,
      provider: "process",
      capacity: UNIT_COUNT * UNIT_SLOTS,
      pricePerHour: UNIT_COUNT * UNIT_PRICE_PER_HOUR,
      region: "weur",
    };
    return {
      file,
      document: {
        ...(document as object),
        endpoints: [endpoint],
        shards: { sizeMin: 5, sizeMax: UNIT_SLOTS, countMin: 1, countMax: UNIT_COUNT },
        provisioning: { mode: "act", warmCount: 1, startMsPrior: 2_000 },
      },
    };
  });
}
