// What a backend says of its own load in `endpoint-load-metrics` (ORCA, as gRPC and Envoy read it): `JSON {…}` or
// `TEXT name=value, …`. Its binary form is protobuf and is not read.

/** Longer is nobody's honest report. */
const HEADER_LENGTH_MAX = 4_096;
const UTILIZATION_MAX = 100;
/** The application's own word before the machine's. */
const NAMES = ["application_utilization", "cpu_utilization"] as const;

/** Of the endpoint's own capacity: 1 is full, more is beyond. Null where the header says nothing that can be used. */
export function parseEndpointLoad(header: string): number | null {
  if (header.length > HEADER_LENGTH_MAX) return null;
  const text = header.trim();
  const values = /^TEXT\s/i.test(text) ? ofText(text.slice(5)) : ofJson(text.replace(/^JSON\s+/i, ""));
  for (const name of NAMES) {
    const value = values?.[name];
    if (typeof value === "number" && value >= 0 && value <= UTILIZATION_MAX) return value;
  }
  return null;
}

function ofJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" ? (value as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}

function ofText(text: string): Readonly<Record<string, unknown>> {
  const pairs = text.split(",").map((pair) => pair.split("=").map((part) => part.trim()));
  return Object.fromEntries(pairs.flatMap(([name = "", value = ""]) => (value === "" ? [] : [[name, Number(value)]])));
}
