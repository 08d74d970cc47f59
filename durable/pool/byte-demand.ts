// What a pool asks of a tenant's quota for bytes. Pure.
import type { CreditDemand } from "#durable/lease/credit-lease.ts";
import { UNITS_MAX } from "#durable/lease/divide.ts";
import { FLOAT_DIVISOR } from "#durable/lease/float.ts";
import type { FlowTotals } from "#durable/lease/flow-totals.ts";
import { TOTAL_BYTES } from "#shared/protocol/quota-rpc.ts";

/** So that those who come next do not wait for the quota. */
const SPARE_UNITS = 16;

/** What somebody wants of a flow beside what the ledger knows. */
export interface Wanted {
  readonly flow: string;
  readonly want: number;
  readonly tokensWant?: number;
  readonly tokensHeld?: number;
}

type Totals = Pick<FlowTotals, "tokensWantOf" | "tokensOutOf">;

/** Of all the tenant's flows of bytes at this service. */
export function byteDemandOf(flows: readonly string[], totals: Totals, wants: readonly Wanted[]): CreditDemand {
  const sum = (of: (flow: string) => number): number => flows.reduce((all, flow) => all + of(flow), 0);
  const more = wants.filter(({ flow }) => flows.includes(flow)).reduce((all, of) => all + Math.max(0, lackOf(of)), 0);
  const wanted = sum((flow) => Math.max(totals.tokensWantOf(flow), totals.tokensOutOf(flow))) + more;
  return {
    flow: TOTAL_BYTES,
    want: 0,
    passedOn: 0,
    tokensWant: wanted === 0 ? 0 : Math.min(UNITS_MAX, wanted + Math.ceil(wanted / (FLOAT_DIVISOR - 1)) + SPARE_UNITS),
    tokensPassedOn: Math.min(
      UNITS_MAX,
      sum((flow) => totals.tokensOutOf(flow)),
    ),
  };
}

export function lackOf({ tokensWant = 0, tokensHeld = 0 }: Wanted): number {
  return tokensWant - tokensHeld;
}
