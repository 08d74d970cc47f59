import { it } from "vitest";
import { agentKeyWarnings, readAgentKeys } from "#shared/config/agent-keys.ts";
import { validateConfiguration } from "#shared/config/validate.ts";
import { faultsOf, serviceFile, whole } from "./documents.ts";

const KEY = "a".repeat(43);
const AGENT = { url: "https://agent.example.com/", capacity: 200, provider: "process" };

it.for([
  { name: "none", text: undefined, want: [] },
  { name: "one", text: `https://agent.example.com/=${KEY}`, want: [["https://agent.example.com", KEY]] },
  {
    name: "several",
    text: ` http://127.0.0.1:9300=${KEY},\nhttps://b.example/x=${KEY} `,
    want: [
      ["http://127.0.0.1:9300", KEY],
      ["https://b.example/x", KEY],
    ],
  },
  { name: "what is no key, or no address", text: `https://a.example=short,nowhere=${KEY},${KEY},=${KEY}`, want: [] },
])("reads $name", ({ text, want }, { expect }) => {
  expect([...readAgentKeys(text)]).toEqual(want);
});

it("warns of each agent whose key the gateway does not have, without showing any", ({ expect }) => {
  const validated = validateConfiguration(whole(serviceFile({ endpoints: [AGENT], provisioning: { mode: "act" } })));
  const { configuration } = validated.ok ? validated : expect.unreachable();
  expect(agentKeyWarnings(configuration, readAgentKeys(`https://agent.example.com=${KEY}`))).toEqual([]);
  expect(agentKeyWarnings(configuration, readAgentKeys(`https://other.example.com=${KEY}`))).toEqual([
    {
      file: "services/echo.yaml",
      message:
        "endpoints[0]: the gateway has no key for the agent at https://agent.example.com/, expected https://agent.example.com/=KEY in CAPACITY_AGENT_KEYS; nothing is started there",
    },
  ]);
});

it.for([
  {
    name: "a provider that there is not",
    endpoint: { ...AGENT, provider: "aws" },
    path: "provider",
    message: 'is "aws", expected one of static, process',
  },
  {
    name: "less capacity than one unit",
    endpoint: { ...AGENT, capacity: 9 },
    path: "capacity",
    message: "is 9, expected at least 10: one unit of shards.sizeMin",
  },
  {
    name: "an agent beyond this machine without TLS",
    endpoint: { ...AGENT, url: "http://agent.example.com" },
    path: "url",
    message: /expected https:\/\//,
  },
  {
    name: "units' hosts at an endpoint that has no units",
    endpoint: { ...AGENT, provider: "static", unitHosts: ["a.example"] },
    path: "unitHosts",
    message: /expected provider: process beside it, or no such key$/,
  },
  {
    name: "a unit's host with a port",
    endpoint: { ...AGENT, unitHosts: ["a.example:80"] },
    path: "unitHosts.0",
    message: /expected a host's name such as/,
  },
  {
    name: "more hosts than LIMITS.unitHostCountMax",
    endpoint: { ...AGENT, unitHosts: Array.from({ length: 17 }, (_, index) => `u${index}.example`) },
    path: "unitHosts",
    message: /expected at most 16 entries$/,
  },
])("refuses $name", ({ endpoint, path, message }, { expect }) => {
  const faults = faultsOf(whole(serviceFile({ endpoints: [endpoint] })));
  expect(faults.map((fault) => fault.path.join("."))).toEqual([`endpoints.0.${path}`]);
  expect(faults[0]?.message).toMatch(message);
});

it("warns that an agent starts nothing in shadow", ({ expect }) => {
  const validated = validateConfiguration(whole(serviceFile({ endpoints: [AGENT] })));
  expect(validated).toMatchObject({
    ok: true,
    warnings: [{ file: "services/echo.yaml", message: expect.stringContaining("shadow starts no units") as string }],
  });
});
