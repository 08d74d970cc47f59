import { describe, expect, it } from "vitest";
import { importExplainKeys, type ExplainKey } from "#gateway/explain/explain-keys.ts";
import { openAccount, SEAL_LENGTH_MAX, sealAccount } from "#gateway/explain/seal.ts";
import { fromBase64url, toBase64url } from "#shared/base64url.ts";
import type { Account } from "#shared/explain/account.ts";

const KEY_1 = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const KEY_2 = `2:${"_".repeat(42)}8`;
const OTHER_1 = `1:${"B".repeat(42)}A`;

const ACCOUNT: Account = {
  requestId: "00112233445566778899-1z",
  atMs: 1_795_000_000_123,
  outcome: "rejected-capacity",
  decidedBy: "pool",
  elapsedMs: 12,
  configurationVersion: 7,
  identifier: { service: "echo", tenant: "acme", className: "gold", device: "d-17", urgency: 1 },
  violated: [{ kind: "capacity", quota: 0, remaining: 0 }],
};
const LONG: Account = {
  ...ACCOUNT,
  identifier: { service: "s".repeat(63), tenant: "t".repeat(63), className: "c".repeat(63), device: "d".repeat(128), urgency: 1 },
};

async function firstOf(text: string): Promise<ExplainKey> {
  const [key] = await importExplainKeys(text);
  if (key === undefined) throw new Error("no key");
  return key;
}

const open = async (id: string, keys = KEY_1) => openAccount(id, await importExplainKeys(keys));

describe("a sealed account", () => {
  it("opens with its key", async () => {
    const id = await sealAccount(ACCOUNT, await firstOf(KEY_1));
    expect(id).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(await open(id)).toEqual({ ok: true, account: ACCOUNT });
  });

  it("is at most 200 characters long", async () => {
    expect(SEAL_LENGTH_MAX).toBe(200);
    const id = await sealAccount(LONG, await firstOf(KEY_1));
    expect(id.length).toBeLessThanOrEqual(SEAL_LENGTH_MAX);
    expect(id.length).toBeGreaterThan(SEAL_LENGTH_MAX - 6);
    expect(await open(id)).toMatchObject({ ok: true });
  });

  it("opens after a rotation, until its key is dropped", async () => {
    const id = await sealAccount(ACCOUNT, await firstOf(KEY_1));
    expect(await open(id, `${KEY_2},${KEY_1}`)).toMatchObject({ ok: true });
    expect(await open(id, KEY_2)).toMatchObject({
      ok: false,
      outcome: "bad-instance",
      detail: "The id was sealed with key 1: expected one of 2.",
    });
  });

  it("shows nothing of what is in it: not a name, not the same bytes for the same caller", async () => {
    const key = await firstOf(KEY_1);
    const [one, two] = await Promise.all([
      sealAccount(ACCOUNT, key),
      sealAccount({ ...ACCOUNT, requestId: "00112233445566778899-20" }, key),
    ]);
    const bytes = atob(one.replaceAll("-", "+").replaceAll("_", "/"));
    for (const name of ["echo", "acme", "gold", "d-17"]) expect(bytes).not.toContain(name);
    const shared = Array.from(one).filter((character, index) => index > 1 && character === two[index]).length;
    expect(shared).toBeLessThan(one.length / 4);
  });

  it("is refused where any of its bits was changed", async () => {
    const id = await sealAccount(ACCOUNT, await firstOf(KEY_1));
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (let place = 0; place < id.length; place += 1) {
      const changed = alphabet[(alphabet.indexOf(id[place] ?? "") + 1) % alphabet.length] ?? "";
      expect(await open(id.slice(0, place) + changed + id.slice(place + 1))).toMatchObject({ ok: false, outcome: "bad-instance" });
    }
  });

  it("is refused where another gateway sealed it with a key of the same number", async () => {
    const id = await sealAccount(ACCOUNT, await firstOf(OTHER_1));
    expect(await open(id)).toMatchObject({ ok: false, detail: expect.stringContaining("another gateway sealed it") as string });
  });

  it("cannot be moved under another key's number", async () => {
    const same = KEY_1.replace("1:", "3:");
    const id = await sealAccount(ACCOUNT, await firstOf(KEY_1));
    const bytes = fromBase64url(id) ?? new Uint8Array();
    bytes[0] = 3;
    expect(await open(toBase64url(bytes), `${KEY_1},${same}`)).toMatchObject({ ok: false });
  });

  it.for([
    { name: "nothing", id: "" },
    { name: "what is no base64url", id: "a+b/c=" },
    { name: "too few bytes", id: "AQID" },
    { name: "too many", id: "A".repeat(201) },
    { name: "another spelling of the same bytes", id: `${"A".repeat(29)}B` },
  ])("is not opened from $name, and that is said", async ({ id }) => {
    expect(await open(id)).toMatchObject({
      ok: false,
      outcome: "bad-instance",
      detail: "The id is not one: expected 18 to 150 bytes in base64url.",
    });
  });
});

describe("EXPLAIN_KEYS", () => {
  it("may have two, the first of which seals", async () => {
    expect((await importExplainKeys(`${KEY_2}\n${KEY_1}\n`)).map(({ id }) => id)).toEqual([2, 1]);
  });

  it.for([
    { name: "none", text: " ", says: "has 0 keys" },
    { name: "three", text: `${KEY_1},${KEY_2},3:${"A".repeat(43)}`, says: "has 3 keys" },
    { name: "one number twice", text: `${KEY_1},${OTHER_1}`, says: "a number twice" },
    { name: "a number above 255", text: `256:${"A".repeat(43)}`, says: "0 to 255" },
    { name: "a short key", text: "1:AAAA", says: "32 bytes" },
    { name: "a key with bits left over", text: `1:${"A".repeat(42)}B`, says: "32 bytes" },
  ])("is refused with $name, and no key is shown", async ({ text, says }) => {
    const error = await importExplainKeys(text).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(RangeError);
    expect(String(error)).toContain(says);
    expect(String(error)).not.toMatch(/[A-Za-z0-9_-]{20}/);
  });
});
