import type { NamedSlot } from "./named-slots.ts";

/** What the sockets of each flow have of its memory, by slot: it comes and goes with it. */
export class SocketMemory {
  readonly #slots = new Map<string, { readonly flow: string; readonly bytes: number }>();
  readonly #flows = new Map<string, { bytes: number; count: number }>();

  /** `isOneWithAnother`: it is in the place of a slot that has the same already. */
  put({ slotId, flow, memoryBytes }: NamedSlot, isOneWithAnother: boolean): void {
    this.drop(slotId);
    if (memoryBytes === undefined) return;
    const bytes = isOneWithAnother ? 0 : memoryBytes;
    this.#slots.set(slotId, { flow, bytes });
    this.#add(flow, bytes, 1);
  }

  drop(slotId: string): void {
    const slot = this.#slots.get(slotId);
    if (slot === undefined) return;
    this.#slots.delete(slotId);
    this.#add(slot.flow, -slot.bytes, -1);
  }

  /** Of sockets that have any: their bytes, and how many they are. */
  of(flow: string): { readonly bytes: number; readonly count: number } {
    return this.#flows.get(flow) ?? { bytes: 0, count: 0 };
  }

  #add(flow: string, bytes: number, count: number): void {
    const sum = this.#flows.get(flow) ?? { bytes: 0, count: 0 };
    sum.bytes += bytes;
    sum.count += count;
    if (sum.count === 0) this.#flows.delete(flow);
    else this.#flows.set(flow, sum);
  }
}
