// Which of a service's regions is nearest to a caller. A pure table: location → region → the service's regions, nearest first.
// Where the location says nothing that is known, the first region of the service: its home.
import type { Region } from "./config/regions.ts";

/** For development, where the runtime does not know where a caller is: one of REGIONS. Counts only where IS_LOOPBACK is "true". */
export const REGION_HEADER = "tidegate-region";

/** What the runtime says of a request (`request.cf`): two-letter codes, degrees as text. Undefined on a machine of one's own. */
export interface CallerLocation {
  readonly continent?: string | undefined;
  readonly country?: string | undefined;
  readonly longitude?: string | undefined;
}

/** By distance between the hints' usual places, oceans with few cables counted as far. */
const NEAREST: Readonly<Record<Region, readonly Region[]>> = {
  wnam: ["wnam", "enam", "sam", "apac-ne", "oc", "weur", "apac", "apac-se", "eeur", "me", "afr"],
  enam: ["enam", "wnam", "sam", "weur", "eeur", "me", "afr", "apac-ne", "apac", "apac-se", "oc"],
  sam: ["sam", "enam", "wnam", "weur", "afr", "eeur", "me", "apac-ne", "oc", "apac", "apac-se"],
  weur: ["weur", "eeur", "enam", "me", "afr", "wnam", "sam", "apac", "apac-se", "apac-ne", "oc"],
  eeur: ["eeur", "weur", "me", "afr", "enam", "apac", "apac-ne", "apac-se", "wnam", "sam", "oc"],
  apac: ["apac", "apac-ne", "apac-se", "oc", "wnam", "me", "enam", "eeur", "weur", "afr", "sam"],
  "apac-ne": ["apac-ne", "apac", "apac-se", "oc", "wnam", "enam", "me", "eeur", "weur", "sam", "afr"],
  "apac-se": ["apac-se", "apac", "apac-ne", "oc", "me", "wnam", "eeur", "weur", "enam", "afr", "sam"],
  oc: ["oc", "apac-se", "apac", "apac-ne", "wnam", "enam", "sam", "me", "weur", "eeur", "afr"],
  afr: ["afr", "me", "weur", "eeur", "enam", "sam", "apac-se", "apac", "wnam", "oc", "apac-ne"],
  me: ["me", "eeur", "weur", "afr", "apac", "apac-se", "enam", "apac-ne", "wnam", "oc", "sam"],
};

const OF_CONTINENT: Readonly<Record<string, Region>> = { AF: "afr", AN: "oc", AS: "apac", EU: "weur", NA: "enam", OC: "oc", SA: "sam" };

/** Countries that are nearer to another region than to their continent's. */
const OF_COUNTRY: Readonly<Record<string, Region>> = {
  ...all("eeur", "AL BA BG BY CY CZ EE FI GR HR HU LT LV MD ME MK PL RO RS RU SI SK UA XK AM AZ GE KZ"),
  ...all("me", "AE BH EG IL IQ IR JO KW LB OM PS QA SA SY TR YE"),
  ...all("apac-ne", "JP KR KP MN TW"),
  ...all("apac-se", "BN ID KH LA MM MY PH SG TH TL VN"),
  ...all("wnam", "MX"),
};

/** The two shores of a wide country: west of it, by degrees of longitude. */
const WEST_OF: Readonly<Record<string, { readonly longitude: number; readonly region: Region }>> = {
  US: { longitude: -100, region: "wnam" },
  CA: { longitude: -100, region: "wnam" },
};

/** One of the service's regions; the first, its home, where nothing is known of the caller. */
export function placeCaller(location: CallerLocation | undefined, regions: readonly Region[]): Region | undefined {
  const near = regionOf(location);
  return near === null ? regions[0] : nearestOf(near, regions);
}

/** Of these regions the nearest to one. */
export function nearestOf(near: Region, regions: readonly Region[]): Region | undefined {
  return NEAREST[near].find((region) => regions.includes(region));
}

function regionOf({ continent = "", country = "", longitude }: CallerLocation = {}): Region | null {
  const west = own(WEST_OF, country);
  if (west !== undefined && longitude !== undefined && longitude.trim() !== "" && Number(longitude) < west.longitude) return west.region;
  return own(OF_COUNTRY, country) ?? own(OF_CONTINENT, continent) ?? null;
}

/** What a caller's location says is no key of an object's prototype. */
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function all(region: Region, countries: string): Record<string, Region> {
  return Object.fromEntries(countries.split(" ").map((country) => [country, region]));
}
