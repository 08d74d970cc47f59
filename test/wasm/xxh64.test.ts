import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { xxh64 } from "#wasm/binding/hash.ts";
import { xxh64Reference } from "#wasm/reference/xxh64.ts";
import { kernels } from "../support/kernels.ts";

const PRIME_32 = 2654435761n;

// xxHash's own sanity buffer and values: https://github.com/Cyan4973/xxHash/blob/dev/tests/sanity_test.c
const PUBLISHED = [
  { bytes: 0, seed: 0n, want: 0xef46db3751d8e999n },
  { bytes: 0, seed: PRIME_32, want: 0xac75fda2929b17efn },
  { bytes: 1, seed: 0n, want: 0xe934a84adb052768n },
  { bytes: 1, seed: PRIME_32, want: 0x5014607643a9b4c3n },
  { bytes: 4, seed: 0n, want: 0x9136a0dca57457een },
  { bytes: 14, seed: 0n, want: 0x8282dcc4994e35c8n },
  { bytes: 14, seed: PRIME_32, want: 0xc3bd6bf63deb6df0n },
  { bytes: 222, seed: 0n, want: 0xb641ae8cb691c174n },
  { bytes: 222, seed: PRIME_32, want: 0x20cb8ab7ae10c14an },
];

function sanityBuffer(bytes: number): Uint8Array {
  let generator = PRIME_32;
  return Uint8Array.from({ length: bytes }, () => {
    const byte = Number(generator >> 56n);
    generator = BigInt.asUintN(64, generator * 11400714785074694797n);
    return byte;
  });
}

const subject = kernels();

/** The kernel over raw bytes: the binding takes text, and the sanity buffer is none. */
function kernelOverBytes(bytes: Uint8Array, seed: bigint): bigint {
  const { exports, keyOffset, writeBytes } = subject;
  return BigInt.asUintN(64, exports.xxh64(keyOffset, writeBytes(bytes), seed));
}

describe.for([
  ["kernel", kernelOverBytes],
  ["twin", xxh64Reference],
] as const)("xxh64, %s", ([, hash]) => {
  it.for(PUBLISHED)("equals the published value of $bytes bytes with seed $seed", ({ bytes, seed, want }) => {
    expect(hash(sanityBuffer(bytes), seed)).toBe(want);
  });
});

describe("xxh64", () => {
  it("is the same in the kernel and its twin, for any bytes and seed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (bytes, seed) => {
        expect(kernelOverBytes(bytes, seed)).toBe(xxh64Reference(bytes, seed));
      }),
      { numRuns: 2_000 },
    );
  });

  it("hashes text as its UTF-8 bytes, lone surrogates as U+FFFD", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        expect(xxh64(subject, text)).toBe(xxh64Reference(new TextEncoder().encode(text), 0n));
      }),
    );
  });

  it("takes a key of exactly 8 KiB and refuses one byte more", () => {
    expect(xxh64(subject, "k".repeat(8_192))).toBe(xxh64Reference(new TextEncoder().encode("k".repeat(8_192)), 0n));
    expect(() => xxh64(subject, "k".repeat(8_193))).toThrow(RangeError);
  });

  const xxhsum = hasXxhsum();
  it.skipIf(!xxhsum)(`equals xxhsum${xxhsum ? "" : " (SKIPPED: xxhsum is not installed)"}`, () => {
    for (const length of [0, 1, 3, 4, 7, 8, 31, 32, 33, 63, 64, 1_000, 8_192]) {
      const text = Array.from({ length }, (_, index) => String.fromCharCode(97 + ((index * 7 + length) % 26))).join("");
      const [sum] = execFileSync("xxhsum", ["-H64", "-"], { input: text, encoding: "utf8" }).split(/\s/);
      expect(xxh64(subject, text).toString(16).padStart(16, "0")).toBe(sum);
    }
  });
});

function hasXxhsum(): boolean {
  try {
    execFileSync("xxhsum", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
