import { RESUME } from "#shared/resume/bounds.ts";
import { readRetryAfterMs } from "./backoff.ts";
import type { FetchContext } from "./gateway-fetch.ts";
import type { SocketEnd } from "./socket-options.ts";

const DETAIL_LENGTH_MAX = 4_096;
/** A verdict may wait in its service's queue. Longer than that nobody waits: the request may have taken a kept connection that is dead. */
const ANSWER_MS_MAX = RESUME.silenceMsMax;

/**
 * An upgrade that was refused looks like any failure: the same route answers the same verdict to a POST. `end`: coming back does not help.
 * `aborter`: ends the question.
 */
export async function askWhy(
  { url, platform, credentials }: FetchContext,
  { service, bearer, aborter }: { readonly service: string; readonly bearer: string; readonly aborter: AbortController },
): Promise<{ readonly retryAfterMs: number; readonly end: SocketEnd | null }> {
  const cancel = platform.after(ANSWER_MS_MAX, () => aborter.abort());
  try {
    const headers = { authorization: `Bearer ${bearer}` };
    const response = await platform.fetch(`${url}/connect/${service}`, { method: "POST", headers, signal: aborter.signal });
    const { status } = response;
    const detail = (await response.text()).slice(0, DETAIL_LENGTH_MAX);
    const isRefreshed = status === 401 && credentials.refuse(bearer);
    const isFinal = !isRefreshed && status >= 400 && status < 500 && status !== 408 && status !== 429;
    return { retryAfterMs: readRetryAfterMs(response.headers), end: isFinal ? { kind: "refused", status, detail } : null };
  } catch {
    // Out of reach: tried again like everything else.
    return { retryAfterMs: 0, end: null };
  } finally {
    cancel();
  }
}
