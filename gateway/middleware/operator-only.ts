import { createMiddleware } from "hono/factory";
import { refuse } from "#shared/errors/refusal.ts";
import type { AppEnv } from "../app-env.ts";
import { answerRefusal } from "../problem.ts";

/** Lets the operator's credential through; without a configured one, nobody. */
export const operatorOnly = createMiddleware<AppEnv>(async (c, next) => {
  const credential = /^bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (credential === undefined)
    return answerRefusal(c.var.scope, refuse("unauthorized", "This is the operator's: expected Authorization: Bearer <operator key>."));
  if (!(await isOperator(credential, c.env.OPERATOR_KEY_SHA256)))
    return answerRefusal(c.var.scope, refuse("unauthorized", "The credential is not the operator's."));
  return next();
});

/** Compares digests in constant time: neither length nor prefix of the credential shows. */
export async function isOperator(credential: string, expectedSha256: string | undefined): Promise<boolean> {
  if (expectedSha256 === undefined || !/^[\da-f]{64}$/.test(expectedSha256)) return false;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(credential)));
  const expected = Uint8Array.from(expectedSha256.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  return crypto.subtle.timingSafeEqual(digest, expected);
}
