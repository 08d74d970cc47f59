// Capacity that an agent sells over HTTP (docs/capacity-agent.md). Whatever it answers, or does not: a value or a refusal that says
// what was wrong, within a time limit, never an exception. Nothing that it names is believed beyond what the operator allows.
import { AGENT_LIMITS, checkUnitUrl, readOffers, readRefusal, readUnit, readUnits, type Read } from "#shared/protocol/capacity-agent.ts";
import type {
  CapacityAnswer,
  CapacityOffer,
  CapacityOrder,
  CapacityProvider,
  CapacityRefusalReason,
  CapacityUnit,
} from "#shared/protocol/capacity-provider.ts";
import { SECOND_MS } from "#shared/units.ts";

export interface HttpProviderOptions {
  /** The agent's base URL, without a slash at its end. */
  readonly url: string;
  /** Null: there is none for this agent, and nothing is asked of it. */
  readonly key: string | null;
  /** Hosts beside the agent's own that units may be on. */
  readonly unitHosts?: readonly string[];
  readonly allowInsecure?: boolean;
  /** From the call to the answer's last byte. */
  readonly timeoutMs?: number;
}

interface Asked {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
}

const TIMEOUT_MS = 5 * SECOND_MS;

export class HttpCapacityProvider implements CapacityProvider {
  readonly #options: Required<HttpProviderOptions>;

  constructor(options: HttpProviderOptions) {
    this.#options = { unitHosts: [], allowInsecure: false, timeoutMs: TIMEOUT_MS, ...options };
  }

  async offers(): Promise<CapacityAnswer<readonly CapacityOffer[]>> {
    return this.#ask({ method: "GET", path: "/v1/offers" }, readOffers);
  }

  async units(service: string): Promise<CapacityAnswer<readonly CapacityUnit[]>> {
    const answer = await this.#ask({ method: "GET", path: `/v1/units?service=${encodeURIComponent(service)}` }, readUnits);
    if (!answer.ok) return answer;
    const foreign = answer.value.find((unit) => unit.service !== service);
    if (foreign !== undefined) return garbage(`unit ${foreign.unitId} of service ${foreign.service}, expected those of ${service}`);
    return { ok: true, value: answer.value.filter(({ state }) => state !== "stopped").map((unit) => this.#bounded(unit)) };
  }

  async reserve({ unitId, ...order }: CapacityOrder): Promise<CapacityAnswer<CapacityUnit>> {
    const answer = await this.#unit(unitId, { method: "PUT", path: pathOf(unitId), body: order });
    if (!answer.ok) return answer;
    const { offerId, service, slots, pricePerHour } = answer.value;
    if (offerId !== order.offerId || service !== order.service || slots !== order.slots)
      return garbage(`${slots} slots of ${offerId} for ${service}, expected ${order.slots} of ${order.offerId} for ${order.service}`);
    if (pricePerHour > order.pricePerHourMax)
      return refuse("too-dear", `${this.#options.url} reserved it at ${pricePerHour} an hour, expected at most ${order.pricePerHourMax}`);
    return answer;
  }

  async start(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#unit(unitId, { method: "POST", path: `${pathOf(unitId)}/start` });
  }

  async drain(unitId: string): Promise<CapacityAnswer<CapacityUnit>> {
    return this.#unit(unitId, { method: "POST", path: `${pathOf(unitId)}/drain` });
  }

  async stop(unitId: string): Promise<CapacityAnswer<null>> {
    return this.#ask({ method: "DELETE", path: pathOf(unitId) }, () => ({ ok: true, value: null }));
  }

  async #unit(unitId: string, asked: Asked): Promise<CapacityAnswer<CapacityUnit>> {
    const answer = await this.#ask(asked, readUnit);
    if (!answer.ok) return answer;
    if (answer.value.unitId !== unitId) return garbage(`unit ${answer.value.unitId}, expected ${unitId}`);
    return { ok: true, value: this.#bounded(answer.value) };
  }

  /** One unit at a forbidden address spoils nothing but itself. */
  #bounded(unit: CapacityUnit): CapacityUnit {
    const { url, unitHosts, allowInsecure } = this.#options;
    const fault = unit.url === null ? null : checkUnitUrl(unit.url, { agentUrl: url, unitHosts, allowInsecure });
    if (fault === null) return unit;
    return { ...unit, state: "failed", url: null, failure: `its agent says that it is at ${unit.url}, expected ${fault}`.slice(0, 500) };
  }

  async #ask<Value>({ method, path, body }: Asked, read: (json: unknown) => Read<Value>): Promise<CapacityAnswer<Value>> {
    const { url, key, timeoutMs } = this.#options;
    if (key === null) return refuse("unauthorized", `there is no key for ${url}, expected one in CAPACITY_AGENT_KEYS`);
    try {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // Where it points to must not see the key.
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await readBounded(response);
      if (text === null) return garbage(`more than ${AGENT_LIMITS.answerBytesMax} bytes`);
      return answerOf({ status: response.status, text, read });
    } catch (error) {
      const isLate = error instanceof Error && error.name === "TimeoutError";
      return refuse(
        "unavailable",
        isLate ? `${url} gave no answer within ${timeoutMs} ms` : `${url} cannot be reached: ${messageOf(error)}`,
      );
    }
  }
}

function pathOf(unitId: string): string {
  return `/v1/units/${encodeURIComponent(unitId)}`;
}

function answerOf<Value>({
  status,
  text,
  read,
}: {
  status: number;
  text: string;
  read: (json: unknown) => Read<Value>;
}): CapacityAnswer<Value> {
  const json = status === 204 ? null : parse(text);
  if (status < 200 || status > 299) {
    const refusal = readRefusal(json);
    if (refusal !== null) return { ok: false, ...refusal };
    return refuse(status === 401 || status === 403 ? "unauthorized" : "unavailable", `status ${status} without a problem that we know`);
  }
  if (json === undefined) return garbage("something that is not JSON");
  const value = read(json);
  return value.ok ? value : refuse("unavailable", `the agent's answer is wrong: ${value.fault}`);
}

/** Null: too long. */
async function readBounded(response: Response): Promise<string | null> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > AGENT_LIMITS.answerBytesMax) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : { message: String(error), cause: undefined };
  return (cause instanceof Error ? `${message} (${cause.message})` : message).slice(0, 200);
}

function garbage(what: string): CapacityAnswer<never> {
  return refuse("unavailable", `the agent answered ${what}`);
}

function refuse(reason: CapacityRefusalReason, detail: string): CapacityAnswer<never> {
  return { ok: false, reason, detail };
}
