import { REGISTRY_NAME, type Snapshot } from "#shared/protocol/registry-rpc.ts";
import { MINUTE_MS, SECOND_MS } from "#shared/units.ts";
import type { GatewayEnv } from "./gateway-env.ts";
import { Keyring } from "./identity/keyring.ts";

/** Younger: served as it is. Older: the request that notices asks the Registry behind its answer … */
const FRESH_MS = 2 * SECOND_MS;
/** … and from here on before it. So an isolate follows a new version within seconds, busy or idle. */
const STALE_MS = 5 * SECOND_MS;
/** Fails open: with the Registry out of reach the last known version serves this long, then nothing does. */
const SERVES_MS_MAX = 10 * MINUTE_MS;

/** A version of the configuration with what an isolate derives from it. */
export interface ActiveConfiguration {
  readonly snapshot: Snapshot;
  readonly keyring: Keyring;
}

/** One isolate's copy of the configuration. */
export class ConfigurationCache {
  #active: ActiveConfiguration | null = null;
  #checkedAtMs = 0;
  #askedAtMs = 0;
  /** A pool has spoken of a newer version. */
  #isOutdated = false;

  /** The last known configuration, however old; null before the first. */
  get latest(): Snapshot | null {
    return this.#active?.snapshot ?? null;
  }

  /** 0: none is known yet. */
  get version(): number {
    return this.#active?.snapshot.version ?? 0;
  }

  /** The configuration where none needs to be waited for. */
  current(nowMs: number, env: GatewayEnv, ctx: ExecutionContext): ActiveConfiguration | null {
    const ageMs = nowMs - this.#checkedAtMs;
    if (this.#active === null || ageMs >= STALE_MS) return null;
    if ((ageMs >= FRESH_MS || this.#isOutdated) && nowMs - this.#askedAtMs >= FRESH_MS)
      ctx.waitUntil(this.refresh(env, nowMs).catch(() => undefined));
    return this.#active;
  }

  /** Asks the Registry now. Each request asks for itself: one may not wait for another's promise here. */
  async refresh(env: GatewayEnv, nowMs: number): Promise<ActiveConfiguration> {
    this.#askedAtMs = nowMs;
    try {
      const registry = env.REGISTRY.get(env.REGISTRY.idFromName(REGISTRY_NAME));
      const snapshot = await registry.snapshot(this.#active?.snapshot.version ?? -1);
      // Another request may have been answered meanwhile, with a newer version: never step back.
      if (snapshot !== null && snapshot.version > (this.#active?.snapshot.version ?? -1)) {
        this.#active = { snapshot, keyring: new Keyring(snapshot.configuration) };
      }
      this.#checkedAtMs = nowMs;
      this.#isOutdated = false;
    } catch (error) {
      if (nowMs - this.#checkedAtMs > SERVES_MS_MAX) throw error;
    }
    if (this.#active === null) throw new Error("the Registry has not answered yet");
    return this.#active;
  }

  /** A pool knows that version: where it is newer, the next request asks behind its answer, whatever the age. */
  expire(version: number): void {
    if (this.#active === null || version <= this.#active.snapshot.version || this.#isOutdated) return;
    this.#isOutdated = true;
    this.#askedAtMs = 0;
  }
}
