// Keys of tenants with keys: { state: true }, as the gateway has them and as the state folder does: whoever applies from a folder without
// them would give the tenant new keys, and end every token that its devices hold.
import type { ConfigurationFault } from "#shared/config/faults.ts";
import type { ConfigurationDocument } from "#shared/config/read-documents.ts";
import { stateKeysTenant } from "./configuration-folder.ts";
import type { ActiveConfiguration } from "./gateway-api.ts";
import type { State } from "./state.ts";

export interface ComparedKeys {
  /** Tenants that the gateway has keys for, and the folder none of them. */
  readonly faults: readonly ConfigurationFault[];
  /** Tenants without keys in the folder. */
  readonly missing: readonly string[];
}

/** Changes nothing. `inForce` is asked once, and only where somebody has state keys. */
export async function compareStateKeys(
  documents: readonly ConfigurationDocument[],
  { state, inForce }: { readonly state: State; readonly inForce: () => Promise<ActiveConfiguration["configuration"]> },
): Promise<ComparedKeys> {
  const faults: ConfigurationFault[] = [];
  const missing: string[] = [];
  const named = documents.flatMap((entry) => {
    const tenant = stateKeysTenant(entry);
    return tenant === null ? [] : [{ file: entry.file, tenant }];
  });
  if (named.length === 0) return { faults, missing };
  const { tenants } = await inForce();
  // One after another: thousands of tenants at once would run out of file handles.
  for (const { file, tenant } of named) {
    const keys = await state.tenantKeys(tenant);
    if (keys === null) missing.push(tenant);
    const known = (Object.hasOwn(tenants, tenant) && tenants[tenant]?.keys?.jwks) || [];
    // One in common is enough: its tokens go on, and who adds or drops others by hand knows it.
    const isCommon = known.some(({ kid }) => keys?.publicKeys.some((key) => key.kid === kid) === true);
    if (known.length > 0 && !isCommon) faults.push({ file, path: ["keys"], message: explain(tenant, state) });
  }
  return { faults, missing };
}

function explain(tenant: string, { keysFolder }: State): string {
  const expected = "the state folder that has them (--state DIR), { jwks: [public keys] }, or --new-keys to replace them";
  return `is { state: true }, and the gateway's keys of ${tenant} are not in ${keysFolder}, so its tokens would be refused; expected ${expected}`;
}
