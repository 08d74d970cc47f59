import { describe, expect, it } from "vitest";
import { TokenMeter } from "#shared/lease/token-meter.ts";

describe("a holder's want of tokens", () => {
  it.for([
    { name: "a steady rate, with a quarter more", spend: 100, lack: 0, want: 438 },
    { name: "what it lacked, too", spend: 50, lack: 50, want: 438 },
    { name: "nothing for so few that the object may as well be asked", spend: 0, lack: 0, want: 0 },
    { name: "nothing for nothing", spend: 0, lack: 0, want: 0 },
  ])("is $name", ({ spend, lack, want }) => {
    const meter = new TokenMeter();
    meter.spend(spend);
    meter.lack(lack);
    expect(meter.want(1_000)).toBe(want);
  });

  it("is more than it was at once where a flow begins, and nothing for a few", () => {
    const wantOf = (count: number): number => {
      const meter = new TokenMeter();
      meter.lack(count);
      return meter.want(50);
    };
    expect([wantOf(3), wantOf(4), wantOf(50)]).toEqual([0, 16, 200]);
  });

  it("follows a rise at once and a fall by halves, to nothing", () => {
    const meter = new TokenMeter();
    const wantAfter = (spend: number): number => {
      meter.spend(spend);
      return meter.want(1_000);
    };
    expect([wantAfter(10), wantAfter(100)]).toEqual([44, 438]);
    const falling = Array.from({ length: 8 }, () => wantAfter(0));
    expect(falling).toEqual(falling.toSorted((a, b) => b - a));
    expect(falling.at(-1)).toBe(0);
  });
});
