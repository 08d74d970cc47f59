// What a service's forecaster exchanges with the gateway's others, through the Registry: once a day of data it tells which kinds of series
// its own data speak for, and believes what the others have shown. docs/decisions/0047-pooled-shares-count-half.md.
//
// Fails open: without an answer it believes what it believed before, at first what was learned.
import type { SharesPool } from "#shared/forecast/pooled-shares.ts";
import type { SharesMessage } from "#shared/protocol/registry-rpc.ts";
import { DAY_MS, HOUR_MS } from "#shared/units.ts";
import type { DemandForecaster } from "#wasm/binding/forecast/demand-forecaster.ts";

const EXCHANGE_MS = DAY_MS;
/** After a failure. */
const RETRY_MS = HOUR_MS;

export interface PoolingShell {
  readonly exchangeShares: (message: SharesMessage) => Promise<SharesPool>;
  readonly warn: (event: string, details: Readonly<Record<string, unknown>>) => void;
}

/** Due, unless the clock was set back by more than that, so long after the last one; 0: never. */
export function isExchangeDue(exchangedAtMs: number, nowMs: number): boolean {
  return Math.abs(nowMs - exchangedAtMs) >= EXCHANGE_MS;
}

/** When the last one must have been for the next to come after the time of a retry. */
export function retriedAtMs(nowMs: number): number {
  return nowMs - EXCHANGE_MS + RETRY_MS;
}

interface Exchange {
  readonly service: string;
  readonly forecaster: DemandForecaster;
  /** Other calls run during the exchange: the forecaster may be gone when the answer comes. */
  readonly isCurrent: () => boolean;
}

/** Whether there was an answer. Never rejects. */
export async function exchangeShares(shell: PoolingShell, { service, forecaster, isCurrent }: Exchange): Promise<boolean> {
  const { kindsModel: model } = forecaster;
  if (model === null) return true;
  try {
    const pool = await shell.exchangeShares({ service, model, weights: forecaster.clusterWeights() });
    if (isCurrent()) forecaster.believe(pool);
    return true;
  } catch (error) {
    shell.warn("shares-not-exchanged", { service, error: String(error) });
    return false;
  }
}
