// Where an object can be asked to be: Cloudflare's location hints
// (https://developers.cloudflare.com/durable-objects/reference/data-location/#provide-a-location-hint).
export const REGIONS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "apac-ne", "apac-se", "oc", "afr", "me"] as const;

export type Region = (typeof REGIONS)[number];
