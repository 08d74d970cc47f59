import { backoffMs, readRetryAfterMs } from "./backoff.ts";
import type { Credentials } from "./credentials.ts";
import type { Platform } from "./platform.ts";

/** What may be sent twice (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
const RETRIES_MAX = 3;

export interface FetchContext {
  readonly url: string;
  readonly credentials: Credentials;
  readonly platform: Platform;
}

/**
 * `fetch` through the gateway: with the device's token, refreshed once when it is refused, and where the method may be
 * repeated again after the Retry-After of a 429 or 503. Rejects as `fetch` does, and with the signal's reason.
 */
export async function gatewayFetch({ url, credentials, platform }: FetchContext, path: string, init: RequestInit): Promise<Response> {
  const signal = init.signal ?? null;
  const mayRepeat = IDEMPOTENT.has((init.method ?? "GET").toUpperCase()) && !(init.body instanceof ReadableStream);
  let isRefreshed = false;
  for (let failures = 0; ; failures += 1) {
    const token = await credentials.token();
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${token}`);
    const response = await platform.fetch(url + path, { ...init, headers });
    const isStale = response.status === 401 && !isRefreshed;
    const retryAfterMs = readRetryAfterMs(response.headers);
    const isBusy = (response.status === 429 || response.status === 503) && retryAfterMs > 0;
    if (isStale) {
      isRefreshed = true;
      credentials.refuse(token);
    }
    if (!mayRepeat || failures >= RETRIES_MAX || !(isStale || isBusy)) return response;
    await response.body?.cancel();
    if (isBusy) await sleep(platform, backoffMs({ failures, retryAfterMs, random: platform.random() }), signal);
  }
}

async function sleep(platform: Platform, delayMs: number, signal: AbortSignal | null): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = platform.after(delayMs, end);
    signal?.addEventListener("abort", end);
  });
  signal?.throwIfAborted();
}
