// What a service's sockets may do, per class: the shape in the configuration, and what it comes to for one socket.
import * as z from "zod";
import { LIMITS, NAME_PATTERN } from "../limits.ts";
import type { SocketLimits } from "../protocol/shard-rpc.ts";
import { SECOND_MS } from "../units.ts";

const limits = {
  messageBytesMax: z
    .int()
    .min(1)
    .max(LIMITS.socketMessageBytesMax)
    .optional()
    .describe("Of one message, either way; a larger one closes with 1009."),
  messagesPerSecond: z
    .int()
    .min(1)
    .max(LIMITS.socketMessageRateMax)
    .optional()
    .describe("From a device, in the mean; more closes with 1008."),
  messageBurst: z
    .int()
    .min(1)
    .max(LIMITS.socketMessageRateMax)
    .optional()
    .describe("Messages at once after a pause; else a second's worth."),
  idleMsMax: z
    .int()
    .min(SECOND_MS)
    .max(LIMITS.socketLifetimeMsMax)
    .optional()
    .describe("Without a message either way; then closed with 1001."),
  lifetimeMsMax: z.int().min(SECOND_MS).max(LIMITS.socketLifetimeMsMax).optional().describe("Of one connection; then closed with 1001."),
  perDeviceMax: z.int().min(1).max(LIMITS.capacityMax).optional().describe("Sockets of one device at this service."),
  perTenantMax: z.int().min(1).max(LIMITS.capacityMax).optional().describe("Sockets of one tenant and class at this service."),
};

export const socketsSchema = z.strictObject({
  mode: z
    .enum(["http", "websocket"])
    .default("http")
    .describe("http: by HTTP events, so that idle sockets sleep. websocket: each has one of the endpoint's."),
  closeOnTokenExpiry: z
    .boolean()
    .default(true)
    .describe("Closes with 1008 when the device's token expires; the SDK comes back with a new one before."),
  health: z
    .enum(["act", "shadow"])
    .default("act")
    .describe("act: devices' reports drain a shard that several tenants' are worse off on. shadow: what would be drained is only shown."),
  ...limits,
  classes: z
    .record(z.string().regex(NAME_PATTERN), z.strictObject(limits))
    .default({})
    .describe("Limits of a class, in the place of those above."),
});

type SocketsConfig = z.infer<typeof socketsSchema>;

/** How many sockets there may be; null: as many as there are slots. */
export interface SocketCounts {
  readonly perDeviceMax: number | null;
  readonly perTenantMax: number | null;
}

/** Whether a flow's sockets, or those of its devices, are limited in number: that is counted in one place. */
export function isCountLimited(sockets: SocketsConfig, flow: string): boolean {
  const { perDeviceMax, perTenantMax } = socketLimitsOf(sockets, flow.slice(flow.indexOf("/") + 1));
  return perDeviceMax !== null || perTenantMax !== null;
}

/** What one socket of a class is held to. */
export function socketLimitsOf(sockets: SocketsConfig, className: string): SocketLimits & SocketCounts {
  const { classes, mode: _mode, closeOnTokenExpiry: _closes, health: _health, ...all } = sockets;
  const own = { ...all, ...(Object.hasOwn(classes, className) ? classes[className] : {}) };
  const { messagesPerSecond = null } = own;
  return {
    messageBytesMax: own.messageBytesMax ?? LIMITS.socketMessageBytesMax,
    messagesPerSecond,
    messageBurst: own.messageBurst ?? messagesPerSecond ?? 1,
    idleMsMax: own.idleMsMax ?? null,
    lifetimeMsMax: own.lifetimeMsMax ?? null,
    perDeviceMax: own.perDeviceMax ?? null,
    perTenantMax: own.perTenantMax ?? null,
  };
}
