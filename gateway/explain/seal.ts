// An account in an envelope that only the operator's gateway opens: key id (1) · synthetic IV (16) · ciphertext.
// SIV (P. Rogaway, T. Shrimpton, 2006; the general construction of RFC 5297): the IV is a MAC of the plaintext, so it is the
// tag as well, and nothing breaks where a random number repeats. HMAC-SHA-256, cut to 16 bytes, and AES-256-CTR.
import { fromBase64url, toBase64url } from "#shared/base64url.ts";
import type { Account } from "#shared/explain/account.ts";
import { ACCOUNT_BYTES_MAX, decodeAccount, encodeAccount } from "#shared/explain/account-codec.ts";
import { refuse, type Refusal } from "#shared/errors/refusal.ts";
import type { ExplainKey } from "./explain-keys.ts";

const IV_BYTES = 16;
const HEAD_BYTES = 1 + IV_BYTES;
const SEAL_BYTES_MAX = HEAD_BYTES + ACCOUNT_BYTES_MAX;
/** Characters in base64url. */
export const SEAL_LENGTH_MAX = Math.ceil((SEAL_BYTES_MAX * 4) / 3);

export async function sealAccount(account: Account, key: ExplainKey): Promise<string> {
  const plain = encodeAccount(account);
  const iv = await syntheticIv(plain, key);
  const cipher = new Uint8Array(await crypto.subtle.encrypt(counterOf(iv), key.cipher, plain));
  const sealed = new Uint8Array(HEAD_BYTES + cipher.length);
  sealed[0] = key.id;
  sealed.set(iv, 1);
  sealed.set(cipher, HEAD_BYTES);
  return toBase64url(sealed);
}

export type Opened = { readonly ok: true; readonly account: Account } | Refusal;

export async function openAccount(id: string, keys: readonly ExplainKey[]): Promise<Opened> {
  const sealed = id.length <= SEAL_LENGTH_MAX ? fromBase64url(id) : null;
  if (sealed === null || sealed.length <= HEAD_BYTES)
    return refuse("bad-instance", `The id is not one: expected ${HEAD_BYTES + 1} to ${SEAL_BYTES_MAX} bytes in base64url.`);
  const key = keys.find((one) => one.id === sealed[0]);
  if (key === undefined)
    return refuse("bad-instance", `The id was sealed with key ${sealed[0]}: expected one of ${keys.map((one) => one.id).join(", ")}.`);
  const iv = sealed.slice(1, HEAD_BYTES);
  const plain = new Uint8Array(await crypto.subtle.decrypt(counterOf(iv), key.cipher, sealed.slice(HEAD_BYTES)));
  if (!areEqual(iv, await syntheticIv(plain, key)))
    return refuse("bad-instance", "The id was changed, or another gateway sealed it: expected one as this gateway answered it.");
  try {
    return { ok: true, account: decodeAccount(plain) };
  } catch (error) {
    return refuse("bad-instance", `The id is this gateway's, but ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** The key's id is signed too: an envelope cannot be moved under another key's number. */
async function syntheticIv(plain: Uint8Array<ArrayBuffer>, { id, mac }: ExplainKey): Promise<Uint8Array<ArrayBuffer>> {
  const signed = new Uint8Array(1 + plain.length);
  signed[0] = id;
  signed.set(plain, 1);
  return new Uint8Array(await crypto.subtle.sign("HMAC", mac, signed)).slice(0, IV_BYTES);
}

function counterOf(iv: Uint8Array<ArrayBuffer>): { name: string; counter: Uint8Array<ArrayBuffer>; length: number } {
  return { name: "AES-CTR", counter: iv, length: 64 };
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index += 1) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}
