// What a holder measured since its last report. It rides on the renewal, so that measuring costs no call.

/** http.server.request.duration's buckets, in milliseconds. */
export const LATENCY_BUCKETS_MS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000] as const;

export interface FlowTelemetry {
  readonly flow: string;
  /** Requests that began, whatever became of them. */
  readonly arrivals: number;
  /** Outcome → count. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Arrival to response headers: counts per bucket of LATENCY_BUCKETS_MS, the last one +Inf. */
  readonly buckets: readonly number[];
  readonly sumMs: number;
  /** Time that requests held slots, in all: what they took at their endpoint. */
  readonly busyMs: number;
  /** Time of requests that messages of sockets made, whose slots are the sockets' own: service time as `busyMs` is, and no demand for slots. */
  readonly messagesMs?: number;
  /** Of bodies, and of messages of sockets, both directions; where the flow's bandwidth is limited, or would be. */
  readonly bytes?: number;
}

export interface ShardTelemetry {
  readonly shardId: string;
  readonly endpointUrl: string;
  readonly requests: number;
  /** No response, or one of the endpoint's own 5xx. */
  readonly failures: number;
  /** Connections that were refused, among the failures: nothing was sent. Absent: none. */
  readonly refused?: number;
  /** Milliseconds from sending to response headers, as `QuantileSketch.toBytes` gives them. */
  readonly latency: Uint8Array;
}

/** Of one endpoint: what its adaptive limit follows. */
export interface LaneTelemetry {
  readonly lane: string;
  /** With the drops. */
  readonly answers: number;
  /** Milliseconds from sending to response headers, of those that were no drops. */
  readonly latencyMsSum: number;
  /** Timed out, or refused by the endpoint for load: 429 and 503. */
  readonly drops: number;
  /** What the endpoint last said of its own load (`parseEndpointLoad`); null: nothing. */
  readonly utilization: number | null;
}

export interface Telemetry {
  readonly flows: readonly FlowTelemetry[];
  readonly shards: readonly ShardTelemetry[];
  /** Where the service's concurrency is adaptive. */
  readonly lanes?: readonly LaneTelemetry[];
  /** Outcome → count of refusals that needed no pool. */
  readonly edge: Readonly<Record<string, number>>;
}
