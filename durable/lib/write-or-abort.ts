/** Memory has changed already: if the disk does not follow, this instance must not go on. `what`: for the log. Throws what `save` throws. */
export function writeOrAbort(ctx: Pick<DurableObjectState, "abort">, what: string, save: () => void): void {
  try {
    save();
  } catch (error) {
    ctx.abort(`cannot write ${what}: ${String(error)}`);
    throw error;
  }
}
