import { describe, expect, it } from "vitest";
import { REGIONS, type Region } from "#shared/config/regions.ts";
import { placeCaller, type CallerLocation } from "#shared/placement.ts";

const cases: readonly { readonly location: CallerLocation; readonly want: Region }[] = [
  { location: { continent: "EU", country: "DE" }, want: "weur" },
  { location: { continent: "EU", country: "PL" }, want: "eeur" },
  { location: { continent: "EU", country: "RU" }, want: "eeur" },
  { location: { continent: "NA", country: "US", longitude: "-122.4" }, want: "wnam" },
  { location: { continent: "NA", country: "US", longitude: "-74.0" }, want: "enam" },
  { location: { continent: "NA", country: "US" }, want: "enam" },
  { location: { continent: "NA", country: "US", longitude: "" }, want: "enam" },
  { location: { continent: "NA", country: "US", longitude: "west" }, want: "enam" },
  { location: { continent: "NA", country: "CA", longitude: "-123.1" }, want: "wnam" },
  { location: { continent: "NA", country: "MX", longitude: "-99.1" }, want: "wnam" },
  { location: { continent: "SA", country: "BR", longitude: "-46.6" }, want: "sam" },
  { location: { continent: "AF", country: "KE" }, want: "afr" },
  { location: { continent: "AF", country: "EG" }, want: "me" },
  { location: { continent: "AS", country: "AE" }, want: "me" },
  { location: { continent: "AS", country: "IN" }, want: "apac" },
  { location: { continent: "AS", country: "JP" }, want: "apac-ne" },
  { location: { continent: "AS", country: "SG" }, want: "apac-se" },
  { location: { continent: "OC", country: "NZ" }, want: "oc" },
  { location: { continent: "AN", country: "AQ" }, want: "oc" },
  { location: { continent: "EU" }, want: "weur" },
];

describe("a caller is placed", () => {
  it.for(cases)("$location → $want where the service is everywhere", ({ location, want }) => {
    // Whatever stands first: nothing here is unknown.
    for (const home of REGIONS) expect(placeCaller(location, [home, ...REGIONS.filter((region) => region !== home)])).toBe(want);
  });

  it.for([
    { country: "BR", continent: "SA", regions: ["weur", "enam"], want: "enam" },
    { country: "JP", continent: "AS", regions: ["weur", "oc"], want: "oc" },
    { country: "ZA", continent: "AF", regions: ["enam", "weur", "apac"], want: "weur" },
    { country: "IN", continent: "AS", regions: ["sam", "me"], want: "me" },
    { country: "AU", continent: "OC", regions: ["afr"], want: "afr" },
  ] as const)("$country → $want of $regions, the nearest", ({ country, continent, regions, want }) => {
    expect(placeCaller({ country, continent }, regions)).toBe(want);
  });

  it.for([
    undefined,
    {},
    { country: "T1" },
    { country: "XX", continent: "??" },
    { country: "__proto__", continent: "constructor" },
    { longitude: "-122" },
  ] satisfies (CallerLocation | undefined)[])("at home where %o says nothing known", (location) => {
    expect(placeCaller(location, ["me", "weur", "enam"])).toBe("me");
  });

  it("at its own region first, and somewhere whatever the service has", () => {
    for (const { location, want } of cases) {
      expect(placeCaller(location, [want])).toBe(want);
      for (const region of REGIONS) expect(placeCaller(location, [region])).toBe(region);
    }
  });
});
