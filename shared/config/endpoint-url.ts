// Where the gateway may send a request: only what the operator wrote, and only what cannot be a trap.

const IP_LITERAL = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/i;

/** Says what is wrong with an endpoint's address, or null. */
export function checkEndpointUrl(text: string, allowInsecure: boolean): string | null {
  // The text is what a request's path is appended to: nothing that a parser would first have to mend.
  if (!URL.canParse(text) || /[\s\\]/.test(text)) return "an absolute URL such as https://api.example.com/base";
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return `https:// (or http:// to this machine), not ${url.protocol}//`;
  if (url.username !== "" || url.password !== "") return "a URL without user or password: credentials do not belong in configuration";
  if (/[?#]/.test(text)) return "a URL without query and fragment";
  if (isLoopback(url.hostname) || allowInsecure) return null;
  if (url.protocol === "http:") return "https://, http:// only to this machine (or allowInsecure: true)";
  if (IP_LITERAL.test(url.hostname)) return "a host name, not an IP address (or allowInsecure: true)";
  return null;
}

/** One spelling for one endpoint. */
export function canonicalEndpoint(text: string): string {
  return URL.canParse(text) ? new URL(text).href.replace(/\/$/, "") : text;
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
