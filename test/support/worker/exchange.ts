import type { ExchangeAnswer, ExchangeMessage } from "#shared/protocol/exchange.ts";

interface Exchanging {
  exchange(message: ExchangeMessage): Promise<ExchangeAnswer>;
}

/** A call that says so much, and asks for nothing. */
export async function tellPool(
  pool: Exchanging,
  { service, holder = "h", returned = [], cancelled = [] }: Pick<ExchangeMessage, "service"> & Partial<ExchangeMessage>,
): Promise<void> {
  await pool.exchange({ service, holder, configurationVersion: 0, number: 1, countsFrom: 1, asks: [], returned, cancelled });
}

/** The answer as the isolate has it: the stub's own types do not tell. */
export async function exchangeWith(pool: Exchanging, message: ExchangeMessage): Promise<ExchangeAnswer> {
  return pool.exchange(message);
}
