import * as fc from "fast-check";
import type { AppliedIdentifier } from "#shared/identifier/entitlement.ts";
import { DEVICE_PATTERN, NAME_PATTERN } from "#shared/limits.ts";

const anyName: fc.Arbitrary<string> = fc.stringMatching(NAME_PATTERN);

/** Every identifier that can be applied. */
export const anyIdentifier: fc.Arbitrary<AppliedIdentifier> = fc.record({
  tenant: anyName,
  device: fc.stringMatching(DEVICE_PATTERN),
  service: anyName,
  className: anyName,
  urgency: fc.integer({ min: 0, max: 7 }),
  incremental: fc.boolean(),
});
