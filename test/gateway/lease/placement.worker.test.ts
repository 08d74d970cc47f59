import { describe, expect, it } from "vitest";
import { regionOf, regionOfSocket } from "#gateway/lease/placement.ts";
import { socketsSchema } from "#shared/config/socket-limits.ts";
import { REGION_HEADER } from "#shared/placement.ts";
import type { QuotaConfig } from "#shared/config/schema.ts";
import type { Region } from "#shared/config/regions.ts";

interface Caller {
  readonly header?: string;
  readonly cf?: Readonly<Record<string, string>>;
}

function requestOf({ header, cf }: Caller): Request {
  const request = new Request("https://gateway.example/s/echo/x", { headers: header === undefined ? {} : { [REGION_HEADER]: header } });
  if (cf !== undefined) Object.defineProperty(request, "cf", { value: cf });
  return request;
}

const REGIONS: Region[] = ["weur", "enam", "apac"];
const LOOPBACK = { IS_LOOPBACK: "true" };
const quotaOf = (limits: Partial<QuotaConfig>): QuotaConfig => ({ weight: 1, mode: "enforce", ...limits });

function placed(caller: Caller, more: Partial<Parameters<typeof regionOf>[0]> = {}): Region | null {
  return regionOf({ request: requestOf(caller), env: {}, service: { regions: REGIONS }, quota: undefined, ...more });
}

describe("a request is placed", () => {
  it.for([
    { name: "near its caller", caller: { cf: { continent: "NA", country: "US" } }, want: "enam" },
    { name: "at home near home", caller: { cf: { continent: "EU", country: "FR" } }, want: null },
    { name: "at home where nothing is known of its caller", caller: {}, want: null },
  ] as const)("$name", ({ caller, want }) => {
    expect(placed(caller)).toBe(want);
  });

  it.for([undefined, ["apac"]] as const)("at home of a service with %o", (regions) => {
    const caller = { header: "apac", cf: { continent: "AS" } };
    expect(placed(caller, { service: regions === undefined ? {} : { regions: [...regions] }, env: LOOPBACK })).toBeNull();
  });

  it.for([{ ratePerSecond: 31 }, { ratePerSecond: 1_000, burst: 31 }, { ratePerSecond: 0 }] as const)(
    "at home where its flow has %o, a bucket of which nothing is lent",
    (limits) => {
      expect(placed({ cf: { continent: "AS" } }, { quota: quotaOf(limits) })).toBeNull();
    },
  );

  it.for([
    { slots: 5, waitMsMax: 100 },
    { ratePerSecond: 32 },
    { ratePerSecond: 1, burst: 32 },
    { bandwidthBytesPerSecond: 2_000 },
    { cpuSecondsPerSecond: 1, queueLengthMax: 0 },
    { ratePerSecond: 1, mode: "shadow" },
  ] as const)("in its region where its flow has %o", (limits) => {
    expect(placed({ cf: { continent: "AS" } }, { quota: quotaOf(limits) })).toBe("apac");
  });
});

describe("the development override", () => {
  it.for([
    { header: "apac", want: "apac" },
    { header: "weur", want: null },
    // A region that the service is not in: the nearest of its own.
    { header: "sam", want: "enam" },
  ] as const)("says $header where only this machine can connect", ({ header, want }) => {
    expect(placed({ header }, { env: LOOPBACK })).toBe(want);
  });

  it.for([{}, { IS_LOOPBACK: "false" }, { IS_LOOPBACK: "1" }, { IS_LOOPBACK: "" }])("says nothing in production: %o", (env) => {
    expect(placed({ header: "apac" }, { env })).toBeNull();
    expect(placed({ header: "apac", cf: { continent: "NA", country: "US" } }, { env })).toBe("enam");
  });

  it("says nothing where it names no region", () => {
    expect(placed({ header: "moon", cf: { continent: "NA" } }, { env: LOOPBACK })).toBe("enam");
  });
});

describe("a socket is placed", () => {
  const placedSocket = (sockets: Parameters<typeof socketsSchema.parse>[0]): Region | null =>
    regionOfSocket({
      request: requestOf({ cf: { continent: "AS" } }),
      env: {},
      service: { regions: REGIONS, sockets: socketsSchema.parse(sockets) },
      quota: undefined,
      flow: "acme/gold",
    });

  it.for([{}, { idleMsMax: 5_000, messagesPerSecond: 3 }, { classes: { bronze: { perTenantMax: 3 } } }])("in its region: %o", (sockets) => {
    expect(placedSocket(sockets)).toBe("apac");
  });

  it.for([{ perDeviceMax: 3 }, { perTenantMax: 3 }, { classes: { gold: { perDeviceMax: 3 } } }])(
    "at home where its class's are limited in number: %o",
    (sockets) => {
      expect(placedSocket(sockets)).toBeNull();
    },
  );
});
