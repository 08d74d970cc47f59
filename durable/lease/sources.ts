// Who contributes to the sums of a ledger, under which key, and with what.
import type { Contribution } from "./flow-totals.ts";
import { isDurable, isLive, slotsBy, type HolderRecord, type HoldPolicy } from "./holder-record.ts";
import type { NamedSlot } from "./named-slots.ts";

export function holderKey(holder: string): string {
  return `holder ${holder}`;
}

export function slotKey(slotId: string): string {
  return `slot ${slotId}`;
}

export function queueKey(flow: string): string {
  return `queue ${flow}`;
}

export function holderContributions(record: HolderRecord, at: { nowMs: number; policy: HoldPolicy }): readonly Contribution[] {
  const live = isLive(record, at.nowMs);
  const isLent = live || isDurable(record, at.policy);
  const slotsOf = slotsBy(record, at);
  return record.flows.map((flow) => ({
    flow: flow.flow,
    slots: slotsOf(flow),
    running: flow.running,
    want: live ? Math.max(flow.want, flow.running) : flow.running,
    pinned: live ? 0 : flow.running,
    tokensWant: live ? flow.tokensWant : 0,
    // What one that lends on has lent is spent after its own lease, too.
    tokensOut: isLent ? flow.tokensHeld + flow.tokensOffered : 0,
    ...(record.lentTo !== undefined && { claimants: record.lentTo }),
  }));
}

/** What no lease can take back counts first. Without an owner it stands for what may be used. */
export function slotContribution({ flow, owner }: NamedSlot): Contribution {
  return { flow, slots: 1, running: owner === "" ? 0 : 1, want: 1, pinned: 1, tokensWant: 0, tokensOut: 0 };
}
