import * as z from "zod";

/** 32 bytes. */
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "32 bytes in base64url");
const keyId = z.string().min(1).max(128);

/** Public keys only, each pinned to one algorithm: a token that names another is refused. */
export const publicKeySchema = z.discriminatedUnion("kty", [
  z.strictObject({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    alg: z.literal("EdDSA"),
    kid: keyId,
    x: coordinate,
    use: z.literal("sig").optional(),
  }),
  z.strictObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    alg: z.literal("ES256"),
    kid: keyId,
    x: coordinate,
    y: coordinate,
    use: z.literal("sig").optional(),
  }),
]);
