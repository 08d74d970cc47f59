// What the platform would bill for a million requests, from what was counted (November 2026's prices, US dollars).

/** Of `requests` gateway requests. */
export interface Usage {
  readonly requests: number;
  /** Of the gateway's processes, objects included: locally they are one process. */
  readonly cpuMs: number;
  /** Calls of an object, and its alarms. */
  readonly objectRequests: number;
  /** Wall time during which objects were in memory, summed over them. */
  readonly objectSeconds: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
}

const PRICES = {
  workerRequest: 0.3 / 1e6,
  cpuMs: 0.02 / 1e6,
  objectRequest: 0.15 / 1e6,
  /** At a flat 128 MB. */
  objectSecond: (12.5 / 1e6) * 0.128,
  rowRead: 0.001 / 1e6,
  rowWritten: 1 / 1e6,
} as const;

export interface Cost {
  readonly total: number;
  /** What the gateway itself causes: the total less the Workers' own price of a request. */
  readonly parts: Readonly<Record<"requests" | "cpu" | "objectRequests" | "objectDuration" | "rows", number>>;
}

/** US dollars per million requests. */
export function costPerMillion(usage: Usage): Cost {
  const per = 1e6 / usage.requests;
  const parts = {
    requests: 1e6 * PRICES.workerRequest,
    cpu: usage.cpuMs * per * PRICES.cpuMs,
    objectRequests: usage.objectRequests * per * PRICES.objectRequest,
    objectDuration: usage.objectSeconds * per * PRICES.objectSecond,
    rows: (usage.rowsRead * PRICES.rowRead + usage.rowsWritten * PRICES.rowWritten) * per,
  };
  return { total: Object.values(parts).reduce((sum, part) => sum + part, 0), parts };
}
