/** How many sockets a flow has, and how many a device of a tenant over all its classes. */
export class SocketCounts {
  readonly #counts = new Map<string, number>();

  ofFlow(flow: string): number {
    return this.#counts.get(flow) ?? 0;
  }

  ofDevice(flow: string, device: string): number {
    return this.#counts.get(deviceKey(flow, device)) ?? 0;
  }

  /** `change`: 1 or −1. */
  count({ flow, device }: { readonly flow: string; readonly device?: string | undefined }, change: number): void {
    for (const key of device === undefined ? [flow] : [flow, deviceKey(flow, device)]) {
      const count = (this.#counts.get(key) ?? 0) + change;
      if (count > 0) this.#counts.set(key, count);
      else this.#counts.delete(key);
    }
  }
}

/** Neither names nor devices have a blank. */
function deviceKey(flow: string, device: string): string {
  return `${flow.slice(0, flow.indexOf("/"))} ${device}`;
}
