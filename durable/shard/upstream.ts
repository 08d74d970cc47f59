import { refuse, type Refusal } from "#shared/errors/refusal.ts";

/** Where one socket's endpoint is, and what it is told. */
export interface UpstreamTarget {
  readonly upstreamUrl: string;
  readonly headers: Headers;
  /** When the endpoint must have answered. */
  readonly untilMs: number;
  /** What `untilMs` came from, for the refusal. */
  readonly deadlineMs: number;
}

export interface OpenedUpstream {
  readonly ok: true;
  readonly socket: WebSocket;
  readonly protocol: string | null;
}

/** Opens the endpoint's socket. Never throws. */
export async function openUpstream({ upstreamUrl, headers, untilMs, deadlineMs }: UpstreamTarget): Promise<OpenedUpstream | Refusal> {
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), Math.max(0, untilMs - Date.now()));
  try {
    const response = await fetch(upstreamUrl, { headers, redirect: "manual", signal: aborter.signal });
    if (response.webSocket !== null)
      return { ok: true, socket: response.webSocket, protocol: response.headers.get("sec-websocket-protocol") };
    await response.body?.cancel();
    return refuse("upstream-failed", `The endpoint answered the upgrade with status ${response.status}, expected 101.`, {
      proxyError: "http_upgrade_failed",
    });
  } catch {
    if (aborter.signal.aborted) return refuse("upstream-timeout", `The endpoint did not answer the upgrade within ${deadlineMs} ms.`);
    return refuse("upstream-failed", "The endpoint could not be reached, or broke off the upgrade.", { proxyError: "http_upgrade_failed" });
  } finally {
    clearTimeout(timer);
  }
}
