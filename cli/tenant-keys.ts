// A tenant's signing keys as the state folder keeps them: private JWKs, one per algorithm.
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey } from "jose";
import { z } from "zod";
import type { PublicKey } from "#shared/config/schema.ts";
import { ALGORITHMS, type Algorithm } from "#shared/identifier/token.ts";
import { CliError } from "./output.ts";

/** What mintToken signs with. */
export interface Signer {
  readonly algorithm: Algorithm;
  readonly keyId: string;
  readonly key: CryptoKey;
}

export interface TenantKeys {
  /** As a tenant's file has them under keys.jwks. */
  readonly publicKeys: readonly PublicKey[];
  readonly signers: Readonly<Record<Algorithm, Signer>>;
}

const coordinate = z.string().min(1);
const shared = { kid: z.string().min(1), use: z.literal("sig"), x: coordinate };
const privateKeySchema = z.discriminatedUnion("alg", [
  z.strictObject({ ...shared, kty: z.literal("OKP"), crv: z.literal("Ed25519"), alg: z.literal("EdDSA"), d: coordinate }),
  z.strictObject({ ...shared, kty: z.literal("EC"), crv: z.literal("P-256"), alg: z.literal("ES256"), y: coordinate, d: coordinate }),
]);
const fileSchema = z.strictObject({ keys: z.array(privateKeySchema).length(ALGORITHMS.length) });

/** The text of a new file: one key pair per algorithm, named by its thumbprint (RFC 7638). */
export async function generateTenantKeys(): Promise<string> {
  const keys = await Promise.all(
    ALGORITHMS.map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true });
      const jwk = await exportJWK(privateKey);
      return { ...jwk, alg, use: "sig", kid: await calculateJwkThumbprint(jwk) };
    }),
  );
  return `${JSON.stringify({ keys }, null, 2)}\n`;
}

/** Reads such a file. `file` is for the message. */
export async function readTenantKeys(text: string, { tenant, file }: { tenant: string; file: string }): Promise<TenantKeys> {
  const expected = `one private JWK each for ${ALGORITHMS.join(" and ")}`;
  const unreadable = (found: string, cause?: unknown): CliError =>
    new CliError(`Cannot read the keys of tenant ${tenant}: ${file} ${found}, expected ${expected}`, { cause });
  const parsed = fileSchema.safeParse(parseJson(text));
  if (!parsed.success) throw unreadable("is damaged");
  const signerOf = async (algorithm: Algorithm): Promise<Signer> => {
    const jwk = parsed.data.keys.find(({ alg }) => alg === algorithm);
    if (!jwk) throw unreadable(`has none for ${algorithm}`);
    const key = await importJWK(jwk, algorithm).catch((cause: unknown) =>
      Promise.reject(unreadable("holds a key that cannot be used", cause)),
    );
    if (key instanceof Uint8Array) throw unreadable("holds a secret instead of a key pair");
    return { algorithm, keyId: jwk.kid, key };
  };
  return {
    publicKeys: parsed.data.keys.map(({ d: _private, ...publicKey }) => publicKey),
    signers: { EdDSA: await signerOf("EdDSA"), ES256: await signerOf("ES256") },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
