// --policy: names, their settings, and what decides in their place.
import { badValue } from "../option-values.ts";
import type { Scaler } from "./account.ts";
import { AwsScaler } from "./rivals/aws.ts";
import { HpaScaler } from "./rivals/hpa.ts";
import { KpaScaler } from "./rivals/kpa.ts";
import { OracleScaler } from "./rivals/oracle.ts";
import { StaticScaler } from "./rivals/static.ts";

const POLICY_NAMES = ["tidegate", "hpa", "kpa", "aws", "static", "oracle"] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];

export interface Policy {
  readonly name: PolicyName;
  /** hpa, kpa, aws: utilisation; static: shards. */
  readonly setting?: number;
}

const TARGET_DEFAULT = 0.7;
const POLICY_COUNT_MAX = 64;
const STATIC_COUNT_MAX = 100_000;
/** What hindsight may choose from: .50 to .98. */
const SWEPT_TARGETS = Array.from({ length: 49 }, (_, index) => (50 + index) / 100);

/** "tidegate,hpa:0.7,static:40" */
export function readPolicies(text: string): Policy[] {
  const names = text.split(",");
  if (names.length > POLICY_COUNT_MAX) throw badValue("--policy", text, `at most ${POLICY_COUNT_MAX} policies`);
  const policies = names.map((entry) => readPolicy(entry.trim()));
  const labels = policies.map(formatPolicy);
  const again = labels.find((label, index) => labels.indexOf(label) < index);
  if (again !== undefined) throw badValue("--policy", text, `every policy once: ${again} is there twice`);
  return policies;
}

function readPolicy(entry: string): Policy {
  const [prefix, setting, ...more] = entry.split(":");
  const name = POLICY_NAMES.find((known) => known === prefix);
  const expected = "names out of tidegate, hpa[:TARGET], kpa[:TARGET], aws[:TARGET], static[:SHARDS], oracle";
  if (name === undefined || more.length > 0) throw badValue("--policy", entry, expected);
  if (name === "tidegate" || name === "oracle") {
    if (setting !== undefined) throw badValue("--policy", entry, `${name} without a setting`);
    return { name };
  }
  if (name === "static") {
    if (setting === undefined) return { name };
    const count = Number(setting);
    if (/^\d+$/.test(setting) && count >= 1 && count <= STATIC_COUNT_MAX) return { name, setting: count };
    throw badValue("--policy", entry, `static:SHARDS with 1 to ${STATIC_COUNT_MAX} shards`);
  }
  if (setting === undefined) return { name, setting: TARGET_DEFAULT };
  const target = Number(setting);
  if (/^\d*\.?\d+$/.test(setting) && target > 0 && target <= 2) return { name, setting: target };
  throw badValue("--policy", entry, `${name}:TARGET with a utilisation above 0, at most 2`);
}

/** "hpa:0.71" */
export function formatPolicy({ name, setting }: Policy): string {
  return setting === undefined ? name : `${name}:${setting}`;
}

/** HPA and KPA at every target that hindsight may choose from. */
export function sweptPolicies(): Policy[] {
  return (["hpa", "kpa"] as const).flatMap((name) => SWEPT_TARGETS.map((setting): Policy => ({ name, setting })));
}

/** The same beside what was asked for. */
export function withSweep(policies: readonly Policy[]): Policy[] {
  const asked = new Set(policies.map(formatPolicy));
  return [...policies, ...sweptPolicies().filter((policy) => !asked.has(formatPolicy(policy)))];
}

export interface RivalInput {
  readonly load: Float32Array;
  /** The oracle's. */
  readonly oracle: Int32Array;
  /** Where the account begins: what a static fleet was sized on lies before. */
  readonly fromTick: number;
}

export function rivalScaler(policy: Policy & { name: Exclude<PolicyName, "tidegate"> }, { load, oracle, fromTick }: RivalInput): Scaler {
  const target = policy.setting ?? TARGET_DEFAULT;
  switch (policy.name) {
    case "hpa":
      return new HpaScaler(load, target);
    case "kpa":
      return new KpaScaler(load, target);
    case "aws":
      return new AwsScaler(load, target);
    case "static":
      return new StaticScaler(policy.setting ?? largestCount(load.subarray(0, fromTick)));
    case "oracle":
      return new OracleScaler(oracle);
  }
}

/** A fleet for the largest load seen so far, which is how fixed fleets are sized. */
function largestCount(load: Float32Array): number {
  return Math.max(1, Math.ceil(load.reduce((most, value) => Math.max(most, value), 0)));
}
