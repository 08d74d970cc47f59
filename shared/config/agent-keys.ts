// The keys of capacity agents, a secret of the Worker: CAPACITY_AGENT_KEYS is "URL=KEY" entries with spaces, commas or lines between them.
// A key belongs to an address: a configuration that names another address sends no key there.
import { AGENT_KEY_PATTERN } from "../protocol/capacity-agent.ts";
import { canonicalEndpoint } from "./endpoint-url.ts";
import type { Configuration } from "./schema.ts";
import type { ConfigurationWarning } from "./warnings.ts";

/** By the agent's address in its one spelling. What is malformed is left out, and its agent has no key. */
export function readAgentKeys(text: string | undefined): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const entry of (text ?? "").split(/[\s,]+/)) {
    const at = entry.lastIndexOf("=");
    const [url, key] = [entry.slice(0, Math.max(0, at)), entry.slice(at + 1)];
    if (URL.canParse(url) && AGENT_KEY_PATTERN.test(key)) keys.set(canonicalEndpoint(url), key);
  }
  return keys;
}

/** One per agent that could not be asked anything. */
export function agentKeyWarnings({ services }: Configuration, keys: ReadonlyMap<string, string>): ConfigurationWarning[] {
  return Object.values(services).flatMap(({ service, endpoints }) =>
    endpoints.flatMap(({ provider, url }, index) =>
      provider !== "process" || keys.has(canonicalEndpoint(url))
        ? []
        : [
            {
              file: `services/${service}.yaml`,
              message: `endpoints[${index}]: the gateway has no key for the agent at ${url}, expected ${url}=KEY in CAPACITY_AGENT_KEYS; nothing is started there`,
            },
          ],
    ),
  );
}
