import { readRetryAfterMs } from "./backoff.ts";
import type { FetchContext } from "./gateway-fetch.ts";
import type { SocketEnd } from "./socket-options.ts";

const DETAIL_LENGTH_MAX = 4_096;

/** An upgrade that was refused looks like any failure: the same route answers the same verdict to a POST. `end`: coming back does not help. */
export async function askWhy(
  { url, platform, credentials }: FetchContext,
  { service, bearer }: { readonly service: string; readonly bearer: string },
): Promise<{ readonly retryAfterMs: number; readonly end: SocketEnd | null }> {
  try {
    const response = await platform.fetch(`${url}/connect/${service}`, { method: "POST", headers: { authorization: `Bearer ${bearer}` } });
    const { status, headers } = response;
    const detail = (await response.text()).slice(0, DETAIL_LENGTH_MAX);
    const isRefreshed = status === 401 && credentials.refuse(bearer);
    const isFinal = !isRefreshed && status >= 400 && status < 500 && status !== 408 && status !== 429;
    return { retryAfterMs: readRetryAfterMs(headers), end: isFinal ? { kind: "refused", status, detail } : null };
  } catch {
    // Out of reach: tried again like everything else.
    return { retryAfterMs: 0, end: null };
  }
}
