/** What a verified token allows: the upper bound of everything a request may ask for. */
export interface Entitlement {
  readonly tenant: string;
  readonly device: string;
  readonly services: readonly string[];
  /** Highest class; lower ones are the device's right. */
  readonly classHighest: string;
  /** Most urgent value it may claim, 0 (first) to 7 (last). */
  readonly urgencyFirst: number;
  readonly role: "device" | "service";
  readonly expiresAtMs: number;
}

/** The identifier as it was applied: what the endpoint, the log and the answer say. */
export interface AppliedIdentifier {
  readonly tenant: string;
  readonly device: string;
  readonly service: string;
  readonly className: string;
  readonly urgency: number;
  /** RFC 9218 §4.2. */
  readonly incremental: boolean;
}

/** The unit of fairness: (tenant, class). */
export function flowOf(identifier: AppliedIdentifier): string {
  return `${identifier.tenant}/${identifier.className}`;
}

/** Of a flow. */
export function tenantOf(flow: string): string {
  return flow.slice(0, flow.indexOf("/"));
}
