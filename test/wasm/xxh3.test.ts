import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { xxh3 } from "#wasm/binding/hash.ts";
import { xxh3Reference } from "#wasm/reference/xxh3.ts";
import { kernels } from "../support/kernels.ts";

const PRIME_32 = 2654435761n;
const PRIME_64 = 11400714785074694797n;

// xxHash's own sanity values, bytes → [seed 0, seed PRIME64]: https://github.com/Cyan4973/xxHash/blob/dev/cli/xsum_sanity_check.c
const PUBLISHED = [
  { bytes: 0, plain: 0x2d06800538d394c2n, seeded: 0xa8a6b918b2f0364an },
  { bytes: 1, plain: 0xc44bdff4074eecdbn, seeded: 0x032be332dd766ef8n },
  { bytes: 6, plain: 0x27b56a84cd2d7325n, seeded: 0x84589c116ab59ab9n },
  { bytes: 12, plain: 0xa713daf0dfbb77e7n, seeded: 0xe7303e1b2336de0en },
  { bytes: 24, plain: 0xa3fe70bf9d3510ebn, seeded: 0x850e80fc35bdd690n },
  { bytes: 48, plain: 0x397da259ecba1f11n, seeded: 0xadc2cbaa44acc616n },
  { bytes: 80, plain: 0xbcdefbbb2c47c90an, seeded: 0xc6dd0cb699532e73n },
  { bytes: 195, plain: 0xcd94217ee362ec3an, seeded: 0xba68003d370cb3d9n },
  { bytes: 403, plain: 0xcdeb804d65c6dea4n, seeded: 0x6259f6ecfd6443fdn },
  { bytes: 512, plain: 0x617e49599013cb6bn, seeded: 0x3ce457de14c27708n },
  { bytes: 2_048, plain: 0xdd59e2c3a5f038e0n, seeded: 0x66f81670669ababcn },
  { bytes: 2_240, plain: 0x6e73a90539cf2948n, seeded: 0x757ba8487d1b5247n },
  { bytes: 2_367, plain: 0xcb37aeb9e5d361edn, seeded: 0xd2db3415b942b42an },
];

function sanityBuffer(bytes: number): Uint8Array {
  let generator = PRIME_32;
  return Uint8Array.from({ length: bytes }, () => {
    const byte = Number(generator >> 56n);
    generator = BigInt.asUintN(64, generator * PRIME_64);
    return byte;
  });
}

const subject = kernels();

/** The kernel over raw bytes: the binding takes text, and the sanity buffer is none. */
function kernelOverBytes(bytes: Uint8Array, seed: bigint): bigint {
  const { exports, keyOffset, writeBytes } = subject;
  return BigInt.asUintN(64, exports.xxh3(keyOffset, writeBytes(bytes), seed));
}

describe.for([
  ["kernel", kernelOverBytes],
  ["twin", xxh3Reference],
] as const)("xxh3, %s", ([, hash]) => {
  it.for(PUBLISHED)("equals the published values of $bytes bytes", ({ bytes, plain, seeded }) => {
    expect(hash(sanityBuffer(bytes), 0n)).toBe(plain);
    expect(hash(sanityBuffer(bytes), PRIME_64)).toBe(seeded);
  });
});

describe("xxh3", () => {
  it("is the same in the kernel and its twin at every length to 1,100 bytes and around every block, with and without seed", () => {
    const buffer = sanityBuffer(8_192);
    const lengths = Array.from({ length: 1_101 }, (_, length) => length);
    for (let block = 2_048; block <= 8_192; block += 1_024)
      lengths.push(block - 65, block - 64, block - 1, block, block + 1, block + 64, block + 65);
    for (const length of lengths.filter((bytes) => bytes <= 8_192)) {
      const bytes = buffer.subarray(0, length);
      for (const seed of [0n, PRIME_64]) expect(kernelOverBytes(bytes, seed), `${length} bytes`).toBe(xxh3Reference(bytes, seed));
    }
  });

  it("is the same in the kernel and its twin, for any bytes and seed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (bytes, seed) => {
        expect(kernelOverBytes(bytes, seed)).toBe(xxh3Reference(bytes, seed));
      }),
      { numRuns: 2_000 },
    );
  });

  it("takes a seed modulo 2⁶⁴", () => {
    for (const text of ["", "a", "abcd", "a".repeat(12), "a".repeat(100), "a".repeat(200), "a".repeat(2_000)])
      expect(xxh3(subject, text, -1n)).toBe(xxh3(subject, text, (1n << 64n) - 1n));
  });

  it("takes a key of exactly 8 KiB and refuses one byte more", () => {
    expect(xxh3(subject, "k".repeat(8_192))).toBe(xxh3Reference(new TextEncoder().encode("k".repeat(8_192)), 0n));
    expect(() => xxh3(subject, "k".repeat(8_193))).toThrow(RangeError);
  });

  const xxhsum = hasXxhsum();
  it.skipIf(!xxhsum)(`equals xxhsum${xxhsum ? "" : " (SKIPPED: no xxhsum with XXH3 is installed)"}`, () => {
    for (const length of [0, 1, 2, 3, 4, 8, 9, 16, 17, 32, 128, 129, 240, 241, 256, 1_023, 1_024, 1_025, 5_000, 8_192]) {
      const text = Array.from({ length }, (_, index) => String.fromCharCode(97 + ((index * 7 + length) % 26))).join("");
      // `XXH3 (stdin) = <sum>` in 0.8.1, `XXH3_<sum>  stdin` since 0.8.2.
      const sum = /[0-9a-f]{16}/.exec(execFileSync("xxhsum", ["-H3", "-"], { input: text, encoding: "utf8" }))?.[0];
      expect(xxh3(subject, text).toString(16).padStart(16, "0")).toBe(sum);
    }
  });
});

function hasXxhsum(): boolean {
  try {
    return execFileSync("xxhsum", ["-H3", "-"], { input: "", encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] }).length > 0;
  } catch {
    return false;
  }
}
