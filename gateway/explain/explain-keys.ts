// The keys that seal accounts: "2:<32 bytes in base64url>,1:<…>". The first seals, all of them open, so a key is rotated by
// putting another before it and leaving the old one as long as its accounts are to be told.
import { fromBase64url } from "#shared/base64url.ts";

export interface ExplainKey {
  readonly id: number;
  readonly mac: CryptoKey;
  readonly cipher: CryptoKey;
}

/** Two live keys are what a rotation needs. */
const KEY_COUNT_MAX = 2;
const ENTRY = /^(\d{1,3}):([A-Za-z0-9_-]{43})$/;

/** Throws RangeError, showing no key, where the text is not a list of keys. */
export async function importExplainKeys(text: string): Promise<readonly ExplainKey[]> {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== "");
  if (entries.length === 0 || entries.length > KEY_COUNT_MAX)
    throw new RangeError(`EXPLAIN_KEYS has ${entries.length} keys, expected 1 to ${KEY_COUNT_MAX}`);
  const parsed = entries.map((entry) => {
    const [, id = "", key = ""] = ENTRY.exec(entry) ?? [];
    const bytes = fromBase64url(key);
    if (id === "" || Number(id) > 255 || bytes === null)
      throw new RangeError("EXPLAIN_KEYS has an entry that is not NUMBER:KEY, 0 to 255 and 32 bytes in base64url");
    return { id: Number(id), bytes };
  });
  if (new Set(parsed.map(({ id }) => id)).size < parsed.length) throw new RangeError("EXPLAIN_KEYS has a number twice");
  return Promise.all(parsed.map(importKey));
}

/** Two keys from one: HMAC as the derivation, so that neither use tells about the other. */
async function importKey({ id, bytes }: { id: number; bytes: Uint8Array<ArrayBuffer> }): Promise<ExplainKey> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const root = await crypto.subtle.importKey("raw", bytes, hmac, false, ["sign"]);
  const derive = async (use: string): Promise<ArrayBuffer> =>
    crypto.subtle.sign("HMAC", root, new TextEncoder().encode(`tidegate explain ${use}`));
  const [mac, cipher] = await Promise.all([derive("mac"), derive("cipher")]);
  return {
    id,
    mac: await crypto.subtle.importKey("raw", mac, hmac, false, ["sign"]),
    cipher: await crypto.subtle.importKey("raw", cipher, "AES-CTR", false, ["encrypt", "decrypt"]),
  };
}
