// Composition root: the app, and the classes of its Durable Objects.
export { ServicePool } from "#durable/pool/pool-object.ts";
export { RegionalPool } from "#durable/pool/regional-pool-object.ts";
export { TenantQuota } from "#durable/quota/quota-object.ts";
export { Registry } from "#durable/registry/registry-object.ts";
export { Shard } from "#durable/shard/shard-object.ts";
export { app as default } from "./app.ts";
