/** What of a request crossed I/O: elsewhere production clocks stand still, so there is nothing to tell. */
export interface Timing {
  /** In the pool: its call, and the queue. */
  readonly queueMs?: number;
  /** From there to the endpoint's headers, or to its failure. */
  readonly upstreamMs?: number;
}

/** The Server-Timing field; empty where nothing crossed I/O. */
export function formatServerTiming({ queueMs, upstreamMs }: Timing, className: string): string {
  const upstream = upstreamMs === undefined ? "" : `upstream;dur=${upstreamMs}`;
  if (queueMs === undefined) return upstream;
  return `queue;dur=${queueMs};desc="${className}"${upstream === "" ? "" : `, ${upstream}`}`;
}
