// What is not bit for bit the key's signature over these bytes is none.
import { sign } from "node:crypto";
import * as fc from "fast-check";
import type { CryptoKey } from "jose";
import { describe, expect, it } from "vitest";
import {
  acme,
  attacker,
  base64Url,
  CLAIMS,
  expectRefused,
  forge,
  globex,
  mint,
  signatureOf,
  signingInput,
  verify,
} from "./token-fixture.ts";

const WRONG_SIGNATURE = "has a signature that does not verify";

const ES_INPUT = signingInput({ alg: "ES256", kid: "acme-es" }, CLAIMS);
const ED_INPUT = signingInput({ alg: "EdDSA", kid: "acme-ed" }, CLAIMS);
const esSignature = await signatureOf(acme.ES256, ES_INPUT);
const edSignature = await signatureOf(acme.EdDSA, ED_INPUT);
const es = (signature: Uint8Array): string => `${ES_INPUT}.${base64Url(signature)}`;
const ed = (signature: Uint8Array): string => `${ED_INPUT}.${base64Url(signature)}`;
const VALID = ed(edSignature);

/** Order of P-256 and of Ed25519's base point, in the byte order of their signatures. */
const P256_ORDER = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

it("takes the signatures from which the wrong ones are made", async () => {
  expect(await verify(VALID)).toMatchObject({ ok: true });
  expect(await verify(es(esSignature))).toMatchObject({ ok: true });
});

describe("refuses a signature that is not exactly the key's", () => {
  const [r, s] = [esSignature.subarray(0, 32), esSignature.subarray(32)];
  const zero = Buffer.alloc(32);
  const one = Buffer.from(`${"00".repeat(31)}01`, "hex");
  const der = derOf(acme.ES256.key, ES_INPUT);
  const edS = BigInt(`0x${Buffer.from(edSignature.subarray(32).toReversed()).toString("hex")}`);
  const malleated = Buffer.from((edS + ED25519_ORDER).toString(16).padStart(64, "0"), "hex").toReversed();
  it.for([
    { name: "ES256 in DER", token: der.then(es) },
    { name: "ES256 with r = s = 0", token: es(Buffer.alloc(64)) },
    { name: "ES256 with r = 0", token: es(Buffer.concat([zero, s])) },
    { name: "ES256 with s = 0", token: es(Buffer.concat([r, zero])) },
    { name: "ES256 with r = s = 1", token: es(Buffer.concat([one, one])) },
    { name: "ES256 with r = s = n", token: es(Buffer.concat([P256_ORDER, P256_ORDER])) },
    { name: "ES256 with s = n", token: es(Buffer.concat([r, P256_ORDER])) },
    { name: "ES256 with r and s exchanged", token: es(Buffer.concat([s, r])) },
    { name: "ES256 one byte short", token: es(esSignature.subarray(0, 63)) },
    { name: "ES256 one byte long", token: es(Buffer.concat([esSignature, Buffer.alloc(1)])) },
    { name: "ES256 with r and s widened", token: es(Buffer.concat([Buffer.alloc(1), r, Buffer.alloc(1), s])) },
    { name: "ES256 half", token: es(r) },
    { name: "ES256 empty", token: es(Buffer.alloc(0)) },
    { name: "EdDSA with s + L, which a lax verifier takes", token: ed(Buffer.concat([edSignature.subarray(0, 32), malleated])) },
    { name: "EdDSA all zeros", token: ed(Buffer.alloc(64)) },
    { name: "EdDSA with the neutral point and s = 0", token: ed(Buffer.from(`01${"00".repeat(63)}`, "hex")) },
    { name: "EdDSA truncated", token: ed(edSignature.subarray(0, 63)) },
    { name: "EdDSA with a byte more", token: ed(Buffer.concat([edSignature, Buffer.alloc(1)])) },
    { name: "EdDSA empty", token: ed(Buffer.alloc(0)) },
    {
      name: "the signature of another token",
      token: `${signingInput({ alg: "EdDSA", kid: "acme-ed" }, { ...CLAIMS, cls: "bronze" })}.${base64Url(edSignature)}`,
    },
    { name: "a payload raised after signing", token: mint(acme.EdDSA, { className: "bronze" }).then(raised) },
    { name: "the attacker's own key under a known id", token: forge(attacker.EdDSA) },
    { name: "the attacker's own ES256 key under a known id", token: forge(attacker.ES256) },
    { name: "globex's key under acme's key id", token: forge({ ...globex.EdDSA, keyId: "acme-ed" }) },
  ])("$name", ({ token }) => expectRefused(token, WRONG_SIGNATURE));

  it("with any one bit flipped anywhere in it, or in what it signs", async () => {
    const parts = VALID.split(".").map((part) => Buffer.from(part, "base64url"));
    const place = fc
      .integer({ min: 0, max: 2 })
      .chain((part) => fc.tuple(fc.constant(part), fc.integer({ min: 0, max: (parts[part]?.length ?? 0) * 8 - 1 })));
    await fc.assert(
      fc.asyncProperty(place, async ([part, bit]) => {
        const flipped = parts.map((bytes) => Buffer.from(bytes));
        const bytes = flipped[part] ?? Buffer.alloc(0);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(await verify(flipped.map(base64Url).join("."))).toMatchObject({ ok: false, outcome: "unauthorized" });
      }),
      { numRuns: 500 },
    );
  });
});

function raised(token: string): string {
  const [head, body = "", signature] = token.split(".");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
  return [head, base64Url(JSON.stringify({ ...claims, cls: "gold" })), signature].join(".");
}

async function derOf(key: CryptoKey, input: string): Promise<Buffer> {
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  return sign("sha256", Buffer.from(input), { key: pkcs8, format: "der", type: "pkcs8", dsaEncoding: "der" });
}
