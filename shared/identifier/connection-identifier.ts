// Connection-Identifier: an RFC 9651 dictionary. What a request asks for, and what was applied.
import { isInnerList, parseDictionary, Token } from "structured-headers";
import { refuse, type Refusal } from "../errors/refusal.ts";
import { URGENCY_FIRST, URGENCY_LAST } from "../limits.ts";
import type { AppliedIdentifier } from "./entitlement.ts";

/** What the request says of itself; a key that is absent asks for nothing. */
export interface AskedIdentifier {
  readonly tenant?: string;
  readonly device?: string;
  readonly service?: string;
  readonly className?: string;
  readonly urgency?: number;
}

/** RFC 9218: both parameters optional, a bad one ignored. */
export interface AskedPriority {
  readonly urgency?: number;
  readonly incremental?: boolean;
}

const TEXT_KEYS = { tenant: "tenant", device: "device", service: "service", class: "className" } as const;

/** Reads the header as asked. Unknown keys are ignored; a known key of the wrong type is a mistake worth telling. */
export function parseConnectionIdentifier(header: string): { ok: true; asked: AskedIdentifier } | Refusal {
  let dictionary: ReturnType<typeof parseDictionary>;
  try {
    dictionary = parseDictionary(header);
  } catch {
    return refuse(
      "bad-identifier",
      'Cannot read Connection-Identifier: it is not an RFC 9651 dictionary, expected e.g. service="echo", class=gold, urgency=1',
    );
  }
  const asked: Record<string, string | number> = {};
  for (const [key, name] of Object.entries(TEXT_KEYS)) {
    const member = dictionary.get(key);
    if (member === undefined) continue;
    const text = isInnerList(member) ? null : textOf(member[0]);
    if (text === null)
      return refuse("bad-identifier", `Cannot read Connection-Identifier: ${key} is not text, expected a string or a token`);
    asked[name] = text;
  }
  const urgency = dictionary.get("urgency");
  if (urgency !== undefined) {
    const value = isInnerList(urgency) || isDecimal(header, "urgency") ? null : urgency[0];
    if (!isUrgency(value))
      return refuse(
        "bad-identifier",
        `Cannot read Connection-Identifier: urgency is something else, expected an integer from ${URGENCY_FIRST} to ${URGENCY_LAST}`,
      );
    asked["urgency"] = value;
  }
  return { ok: true, asked };
}

/** Reads `Priority`. Never fails: RFC 9218 §4 has parsing failures and bad parameters ignored. */
export function parsePriority(header: string): AskedPriority {
  let dictionary: ReturnType<typeof parseDictionary>;
  try {
    dictionary = parseDictionary(header);
  } catch {
    return {};
  }
  const u = dictionary.get("u")?.[0];
  const i = dictionary.get("i")?.[0];
  return { ...(isUrgency(u) && !isDecimal(header, "u") ? { urgency: u } : {}), ...(typeof i === "boolean" ? { incremental: i } : {}) };
}

/** The header as applied. Names are checked against their patterns on the way in, so nothing needs escaping. */
export function formatConnectionIdentifier(applied: AppliedIdentifier): string {
  return `service="${applied.service}", class=${applied.className}, urgency=${applied.urgency}, tenant="${applied.tenant}", device="${applied.device}"`;
}

export function formatPriority(applied: AppliedIdentifier): string {
  return applied.incremental ? `u=${applied.urgency}, i` : `u=${applied.urgency}`;
}

/** The parser gives the integer 1 and the decimal 1.0 as the same number; RFC 9651 does not. The last of a key counts. */
function isDecimal(header: string, key: string): boolean {
  const bare = header.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
  const members = bare.split(",").filter((member) => member.trim().startsWith(`${key}=`));
  return /^\s*[a-z]+=-?\d+\./.test(members.at(-1) ?? "");
}

function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  return value instanceof Token ? value.toString() : null;
}

function isUrgency(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= URGENCY_FIRST && value <= URGENCY_LAST;
}
