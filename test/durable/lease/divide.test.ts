import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { divide, partByWant, type Claim } from "#durable/lease/divide.ts";
import { growthOf } from "#test/support/cpu-time.ts";
import { fluidDivision } from "#test/support/fluid-division.ts";
import { divideByWant, divideFlows } from "#test/support/whole-division.ts";

const CLAIMS = fc.array(fc.record({ want: fc.nat(200), weight: fc.integer({ min: 1, max: 20 }), reserve: fc.nat(30) }), { maxLength: 12 });
const CAPACITY = fc.nat(500);

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function floorsOf(claims: readonly Claim[]): number {
  return sum(claims.map(({ want, reserve }) => Math.min(want, reserve)));
}

function claimsOf(wants: readonly number[]): Claim[] {
  return wants.map((want) => ({ want, weight: 1, reserve: 0 }));
}

describe("the fluid oracle", () => {
  it.for([
    { name: "cuts equally", capacity: 10, claims: claimsOf([9, 9, 9, 9]), want: [2.5, 2.5, 2.5, 2.5] },
    { name: "gives what one leaves to the others", capacity: 10, claims: claimsOf([1, 9, 9]), want: [1, 4.5, 4.5] },
    {
      name: "keeps a reserve and cuts the rest",
      capacity: 10,
      claims: [
        { want: 9, weight: 1, reserve: 7 },
        { want: 9, weight: 2, reserve: 0 },
        { want: 9, weight: 1, reserve: 0 },
      ],
      want: [7, 2, 1],
    },
  ])("$name", ({ capacity, claims, want }) => {
    for (const [index, share] of fluidDivision(capacity, claims).entries()) expect(share).toBeCloseTo(want[index] ?? -1, 9);
  });
});

describe("a division", () => {
  it.for([
    // youtube/doorman doc/algorithms.md
    { name: "is Doorman's FAIR_SHARE", capacity: 120, claims: claimsOf([1_000, 50, 10]), want: [60, 50, 10] },
    { name: "gives the remainder to the first of equals", capacity: 8, claims: claimsOf([9, 9, 9]), want: [3, 3, 2] },
    { name: "gives nothing to who wants nothing", capacity: 8, claims: claimsOf([0, 9]), want: [0, 8] },
    { name: "of nothing is nothing", capacity: 0, claims: claimsOf([3, 9]), want: [0, 0] },
    {
      name: "serves the weightless with what is left, by want",
      capacity: 10,
      claims: [
        { want: 4, weight: 1, reserve: 0 },
        { want: 12, weight: 0, reserve: 0 },
        { want: 6, weight: 0, reserve: 0 },
      ],
      want: [4, 4, 2],
    },
    {
      name: "keeps a reserve against any weight",
      capacity: 10,
      claims: [
        { want: 99, weight: 99, reserve: 0 },
        { want: 4, weight: 1, reserve: 3 },
      ],
      want: [7, 3],
    },
    {
      name: "cuts reserves in proportion where they do not fit",
      capacity: 10,
      claims: [
        { want: 99, weight: 1, reserve: 30 },
        { want: 99, weight: 1, reserve: 20 },
      ],
      want: [6, 4],
    },
    {
      name: "leaves what cannot be taken back and reserves the rest",
      capacity: 10,
      claims: [
        { want: 99, weight: 1, reserve: 0, pinned: 8 },
        { want: 99, weight: 1, reserve: 6 },
      ],
      want: [8, 2],
    },
  ])("$name", ({ capacity, claims, want }) => {
    expect(divide(capacity, claims)).toEqual(want);
  });

  it("hands out all that is wanted, and not one more", () => {
    fc.assert(
      fc.property(CAPACITY, CLAIMS, (capacity, claims) => {
        const shares = divide(capacity, claims);
        expect(sum(shares)).toBe(Math.min(capacity, sum(claims.map(({ want }) => want))));
        for (const [index, share] of shares.entries()) expect(share).toBeLessThanOrEqual(claims[index]?.want ?? 0);
      }),
    );
  });

  it("is less than one unit from the fluid, above and below", () => {
    fc.assert(
      fc.property(CAPACITY, CLAIMS, (capacity, claims) => {
        fc.pre(floorsOf(claims) <= capacity);
        const fluid = fluidDivision(capacity, claims);
        for (const [index, share] of divide(capacity, claims).entries())
          expect(Math.abs(share - (fluid[index] ?? 0))).toBeLessThan(1 + 1e-6);
      }),
    );
  });

  it("keeps every reserve that is wanted, and takes from nobody who has less per weight", () => {
    fc.assert(
      fc.property(CAPACITY, CLAIMS, (capacity, claims) => {
        fc.pre(floorsOf(claims) <= capacity);
        const has = divide(capacity, claims).map((share, index) => ({ share, ...(claims[index] ?? { want: 0, weight: 1, reserve: 0 }) }));
        for (const one of has) {
          expect(one.share).toBeGreaterThanOrEqual(Math.min(one.want, one.reserve));
          if (one.share === one.want) continue;
          // Whoever has more than the reserve and one unit has no more per weight than the unsatisfied.
          for (const other of has) {
            if (other.share > other.reserve) expect((other.share - 1) * one.weight).toBeLessThanOrEqual((one.share + 1) * other.weight);
          }
        }
      }),
    );
  });

  it("takes seconds for nobody: a flow among 40,000 takes little longer than one among 2,500", () => {
    const runOf = (count: number) => {
      const claims = Array.from({ length: count }, (_, index) => ({
        want: (index * 7919) % 97,
        weight: 1 + (index % 13),
        reserve: index % 3,
      }));
      return () => divide(20 * count, claims);
    };
    // With the square of their number it would be 16 times.
    expect(growthOf(runOf, { size: 2_500, factor: 16 })).toBeLessThan(6);
  });
});

describe("a division by want", () => {
  it("is Doorman's PROPORTIONAL_SHARE, in whole units", () => {
    // 69.69 / 40.31 / 10
    expect(divideByWant(120, [1_000, 50, 10])).toEqual([70, 40, 10]);
  });

  it("hands out all that is wanted, and an equal part to each at least", () => {
    fc.assert(
      fc.property(CAPACITY, fc.array(fc.nat(200), { maxLength: 12 }), (capacity, wants) => {
        const shares = divideByWant(capacity, wants);
        expect(sum(shares)).toBe(Math.min(capacity, sum(wants)));
        const part = Math.floor(capacity / Math.max(1, wants.filter((want) => want > 0).length));
        for (const [index, want] of wants.entries()) {
          expect(shares[index]).toBeGreaterThanOrEqual(Math.min(want, part));
          expect(shares[index]).toBeLessThanOrEqual(want);
        }
      }),
    );
  });
});

describe("one part of a division by want", () => {
  it("is that of the whole division", () => {
    fc.assert(
      fc.property(CAPACITY, fc.array(fc.nat(200), { minLength: 1, maxLength: 12 }), (capacity, wants) => {
        const named = wants.map((want, index) => [`h${String(index).padStart(2, "0")}`, want] as const);
        const parts = named.map(([name]) => partByWant(capacity, named, name));
        expect(parts).toEqual(divideByWant(capacity, wants));
      }),
    );
  });

  it("is as many equal parts as one asks for, before anything goes by want", () => {
    const wants = [["region", 100, 9] as const, ["h1", 100] as const];
    expect([partByWant(50, wants, "region"), partByWant(50, wants, "h1")]).toEqual([45, 5]);
  });

  it("hands out all that is wanted, and no more than there is, whoever asks for how many", () => {
    const claim = fc.record({ want: fc.nat(200), count: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(CAPACITY, fc.array(claim, { minLength: 1, maxLength: 12 }), (capacity, claims) => {
        const wants = claims.map(({ want, count }, index) => [`h${String(index).padStart(2, "0")}`, want, count] as const);
        const parts = wants.map(([name]) => partByWant(capacity, wants, name));
        const wanted = sum(claims.map(({ want }) => want));
        expect(sum(parts)).toBe(Math.min(capacity, wanted));
        for (const [index, part] of parts.entries()) expect(part).toBeLessThanOrEqual(claims[index]?.want ?? 0);
      }),
    );
  });
});

describe("a division over classes and flows", () => {
  const CLASSES = new Map([
    ["gold", { weight: 8, reserve: 40 }],
    ["bronze", { weight: 2, reserve: 5 }],
  ]);
  const flow = (className: string, want: number, weight = 1) => ({ className, weight, want, pinned: 0 });

  it.for([
    { name: "shares by class weight, then equally", flows: [flow("gold", 99), flow("gold", 99), flow("bronze", 99)], want: [40, 40, 20] },
    { name: "lends what a class leaves", flows: [flow("gold", 10), flow("gold", 0), flow("bronze", 99)], want: [10, 0, 90] },
    { name: "weighs tenants inside a class", flows: [flow("gold", 99, 3), flow("gold", 99, 1), flow("bronze", 99)], want: [60, 20, 20] },
  ])("$name", ({ flows, want }) => {
    expect(divideFlows(100, CLASSES, flows)).toEqual(want);
  });
});
