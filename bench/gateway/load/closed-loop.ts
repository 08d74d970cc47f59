import { Connection } from "./connection.ts";
import { Tally } from "./tally.ts";

export interface ClosedLoop {
  readonly port: number;
  /** One connection for each: the next is sent when the last is answered. */
  readonly requests: readonly Buffer[];
  /** The loop runs so long before anything counts: a server that was idle has to get what it needs first. */
  readonly leadMs: number;
  readonly durationMs: number;
  /** Called when the lead is over, and again when the last answer is here. */
  readonly onEdge: () => void;
}

export interface ClosedLoopResult {
  readonly tally: Tally;
  /** From the first send to the last of the connections' first answers: all of them at once, at a server that was idle. */
  readonly burstMs: number;
  /** From the first send to the last answer. */
  readonly wallMs: number;
}

/** As fast as the server lets it: for throughput, and CPU per request. Its latencies say nothing of an open world. */
export async function closedLoop({ port, requests, leadMs, durationMs, onEdge }: ClosedLoop): Promise<ClosedLoopResult> {
  const connections = requests.map(() => new Connection(port));
  const run = async (forMs: number): Promise<{ tally: Tally; wallMs: number }> => {
    const tally = new Tally();
    const startedAtMs = performance.now();
    const endAtMs = startedAtMs + forMs;
    await Promise.all(connections.map((connection, index) => repeat(connection, { request: requests[index], endAtMs, tally })));
    return { tally, wallMs: performance.now() - startedAtMs };
  };
  try {
    const firstAtMs = performance.now();
    await Promise.all(connections.map((connection, index) => once(connection, requests[index])));
    const burstMs = performance.now() - firstAtMs;
    await run(leadMs);
    onEdge();
    const measured = await run(durationMs);
    onEdge();
    return { ...measured, burstMs };
  } finally {
    for (const connection of connections) connection.close();
  }
}

async function once(connection: Connection, request: Buffer = Buffer.alloc(0)): Promise<number> {
  return new Promise((resolve) => connection.send(request, resolve));
}

async function repeat(
  connection: Connection,
  { request = Buffer.alloc(0), endAtMs, tally }: { request: Buffer | undefined; endAtMs: number; tally: Tally },
): Promise<void> {
  return new Promise((resolve) => {
    const next = (): void => {
      const sentAtMs = performance.now();
      if (sentAtMs >= endAtMs || !connection.isOpen) return resolve();
      connection.send(request, (status) => {
        tally.count(status, performance.now() - sentAtMs);
        next();
      });
    };
    next();
  });
}
