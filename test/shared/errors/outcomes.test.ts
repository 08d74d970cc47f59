import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ADMITTED, isRefusalOutcome, REFUSALS, type OutcomeShape } from "#shared/errors/outcomes.ts";
import { refuse } from "#shared/errors/refusal.ts";

// DESIGN.md §6, row by row; the status is what it says, "the endpoint's" and "–" where it says that. Its row "shed" is no
// outcome but rejected-capacity, "with where it was decided".
const DESIGN: readonly [outcomes: string, status: string][] = [
  ["admitted-local, admitted-queued", "the endpoint's"],
  ["rejected-quota", "429"],
  ["rejected-capacity", "503"],
  ["rejected-queue-full", "503"],
  ["expired-in-queue", "503"],
  ["cancelled", "–"],
  ["no-endpoint", "503"],
  ["unauthorized, forbidden, bad-identifier", "401, 403, 400"],
  ["unknown-service, unknown-route, wrong-method", "404, 404, 405"],
  ["headers-too-large, body-too-large", "431, 413"],
  ["body-aborted", "400"],
  ["internal", "500"],
  ["upstream-timeout, upstream-failed", "504, 502"],
];

const ROWS = DESIGN.flatMap(([outcomes, statuses]) => {
  const names = outcomes.split(", ");
  const codes = statuses.split(", ");
  return names.map((outcome, index) => ({ outcome, status: codes.length === 1 ? statuses : codes[index] }));
});

/** Beside the table: a WebSocket's route asked without upgrade, the operator's API, twice, and a push. */
const BESIDE = [
  { outcome: "bad-request", status: "400" },
  { outcome: "upgrade-required", status: "426" },
  { outcome: "bad-configuration", status: "422" },
  { outcome: "bad-instance", status: "400" },
];

/** https://www.iana.org/assignments/http-proxy-status/: the error types of RFC 9209 §2.3. */
const PROXY_ERRORS = [
  "dns_timeout",
  "dns_error",
  "destination_not_found",
  "destination_unavailable",
  "destination_ip_prohibited",
  "destination_ip_unroutable",
  "connection_refused",
  "connection_terminated",
  "connection_timeout",
  "connection_read_timeout",
  "connection_write_timeout",
  "connection_limit_reached",
  "tls_protocol_error",
  "tls_certificate_error",
  "tls_alert_received",
  "http_request_error",
  "http_request_denied",
  "http_response_incomplete",
  "http_response_header_section_size",
  "http_response_header_size",
  "http_response_body_size",
  "http_response_trailer_section_size",
  "http_response_trailer_size",
  "http_response_transfer_coding",
  "http_response_content_coding",
  "http_response_timeout",
  "http_upgrade_failed",
  "http_protocol_error",
  "proxy_internal_response",
  "proxy_internal_error",
  "proxy_configuration_error",
  "proxy_loop_detected",
];

const shapes = Object.entries<OutcomeShape>(REFUSALS);

describe("the table of outcomes", () => {
  it.for(ROWS.filter(({ status }) => /^\d+$/.test(status ?? "")))(
    "answers $outcome with $status, as the design says",
    ({ outcome, status }) => {
      expect(new Map(shapes).get(outcome)?.status).toBe(Number(status));
    },
  );

  it("admits in exactly the two ways that leave the status to the endpoint", () => {
    expect(ADMITTED).toEqual(ROWS.filter(({ status }) => status === "the endpoint's").map(({ outcome }) => outcome));
  });

  it("has no outcome that the design does not, but for those beside it", () => {
    const known = [...ROWS, ...BESIDE].map(({ outcome }) => outcome);
    expect([...ADMITTED, ...shapes.map(([outcome]) => outcome)].toSorted()).toEqual(known.toSorted());
    for (const { outcome, status } of BESIDE) expect(new Map(shapes).get(outcome)?.status).toBe(Number(status));
  });

  it("gives a request that nobody waits for a status that no one can take for another's", () => {
    expect(shapes.filter(([, { status }]) => status === REFUSALS.cancelled.status)).toHaveLength(1);
  });
});

describe.for(shapes)("%s", ([outcome, { status, title, proxyError }]) => {
  it("has a status that refuses", () => {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
  });

  it("has a title of its own, a plain sentence", () => {
    expect(title).toMatch(/^[A-Z][\x20-\x7e]{9,}[^.\s]$/);
    expect(shapes.filter((other) => other[1].title === title)).toHaveLength(1);
  });

  it("has a Proxy-Status error from RFC 9209's registry", () => {
    expect(PROXY_ERRORS).toContain(proxyError);
  });

  it("is a name that fits a problem type, a metric label and a header", () => {
    expect(outcome).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(isRefusalOutcome(outcome)).toBe(true);
  });
});

describe("isRefusalOutcome", () => {
  it.for([...ADMITTED, "", "Internal", "constructor", "__proto__", "toString", "hasOwnProperty"])("says no to %j", (text) => {
    expect(isRefusalOutcome(text)).toBe(false);
  });

  it("says yes to the table's own names and to nothing else", () => {
    const names = shapes.map(([outcome]) => outcome);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom(...names)), (text) => {
        expect(isRefusalOutcome(text)).toBe(names.some((name) => name === text));
      }),
    );
  });
});

describe("refuse", () => {
  it("makes a plain value, as it crosses RPC", () => {
    const refusal = refuse("wrong-method", "The route takes GET.", { allow: ["GET"], retryAfterMs: 5 });
    expect(refusal).toEqual({ ok: false, outcome: "wrong-method", detail: "The route takes GET.", allow: ["GET"], retryAfterMs: 5 });
    expect(structuredClone(refusal)).toEqual(refusal);
    expect(JSON.parse(JSON.stringify(refusal))).toEqual(refusal);
  });

  it("cannot be talked out of being a refusal, nor into another one", () => {
    const more = { ok: true, outcome: "internal", detail: "x" } as unknown as Parameters<typeof refuse>[2];
    expect(refuse("forbidden", "No.", more)).toEqual({ ok: false, outcome: "forbidden", detail: "No." });
  });
});
