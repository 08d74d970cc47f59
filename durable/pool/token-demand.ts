// What a pool asks of a tenant's quota in tokens: for requests, or for bytes. Pure.
import type { CreditDemand } from "#durable/lease/credit-lease.ts";
import { UNITS_MAX } from "#durable/lease/divide.ts";
import { FLOAT_DIVISOR } from "#durable/lease/float.ts";
import type { FlowTotals } from "#durable/lease/flow-totals.ts";
import type { SharedTokens } from "#durable/lease/shared-tokens.ts";

/** So that those who come next do not wait for the quota. */
const SPARE_TOKENS = 16;

/** What somebody wants of a flow beside what the ledger knows. */
export interface Wanted {
  readonly flow: string;
  readonly want: number;
  readonly tokensWant?: number;
  readonly tokensHeld?: number;
  /** Of what it lacks, what it waits for at this moment. */
  readonly tokensNow?: number;
}

interface TokenDemandInput {
  readonly shared: SharedTokens;
  readonly totals: Pick<FlowTotals, "tokensWantOf" | "tokensOutOf">;
  /** Of those who wait for the answer. */
  readonly wants: readonly Wanted[];
}

/** Of all the tenant's flows at this service. */
export function tokenDemandOf(name: string, { shared, totals, wants }: TokenDemandInput): CreditDemand {
  const flows = shared.flows.map(({ flow }) => flow);
  const sum = (of: (flow: string) => number): number => flows.reduce((all, flow) => all + of(flow), 0);
  const own = wants.filter(({ flow }) => flows.includes(flow));
  const more = own.reduce((all, of) => all + Math.max(0, lackOf(of)), 0);
  const now = own.reduce((all, { tokensNow = 0 }) => all + tokensNow, 0);
  const wanted = sum((flow) => Math.max(totals.tokensWantOf(flow), totals.tokensOutOf(flow))) + more;
  return {
    flow: name,
    want: 0,
    passedOn: 0,
    tokensWant: wanted === 0 ? 0 : Math.min(UNITS_MAX, wanted + Math.ceil(wanted / (FLOAT_DIVISOR - 1)) + SPARE_TOKENS),
    tokensNow: Math.max(0, Math.min(UNITS_MAX, now) - shared.available()),
    tokensPassedOn: Math.min(
      UNITS_MAX,
      sum((flow) => totals.tokensOutOf(flow)),
    ),
  };
}

export function lackOf({ tokensWant = 0, tokensHeld = 0 }: Wanted): number {
  return tokensWant - tokensHeld;
}
