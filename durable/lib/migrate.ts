import { SQLSchemaMigrations, type SQLSchemaMigration } from "durable-utils/sql-migrations";

/**
 * Brings an object's tables up to date before anything else reaches it. A migration that throws resets the
 * object: it serves nothing rather than half a schema.
 */
export function migrateFirst(ctx: DurableObjectState, migrations: SQLSchemaMigration[], then: () => void | Promise<void>): void {
  void ctx.blockConcurrencyWhile(async () => {
    await new SQLSchemaMigrations({ doStorage: ctx.storage, migrations }).runAll();
    await then();
  });
}
