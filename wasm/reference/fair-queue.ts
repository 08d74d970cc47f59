// Twin of wasm/assembly/schedule/fair-queue: lists that are searched, tags that never overflow. It takes only
// arguments that the binding lets through.

export interface ReferenceItem {
  readonly flowIndex: number;
  readonly urgency: number;
  readonly cost: number;
  readonly arrivalMs: number;
  readonly deadlineMs: number;
}

interface Waiting extends ReferenceItem {
  readonly handle: number;
}

/** What competes: a class with the others, a flow with those of its class. */
interface Node {
  weight: number;
  start: bigint;
  finish: bigint;
}

/** What nodes compete under: the queue for classes, a class for flows. */
interface Server {
  virtual: bigint;
  finishLatest: bigint;
}

interface ReferenceClass extends Node, Server {}

interface ReferenceFlow extends Node {
  readonly classIndex: number;
  readonly lengthMax: number;
  isHeld: boolean;
}

const NONE = -1;
const FLOW_FULL = -2;
const QUEUE_FULL = -3;
const EXPIRED = -4;

export class ReferenceFairQueue {
  evictedHandle = NONE;
  readonly #itemCapacity: number;
  /** Indices that no open flow has; the one that was given back last is the next. */
  readonly #freeFlows: number[];
  readonly #ageStepMs: number;
  readonly #root: Server = { virtual: 0n, finishLatest: 0n };
  readonly #classes: ReferenceClass[];
  readonly #flows = new Map<number, ReferenceFlow>();
  /** In order of arrival; a handle is how many arrived before. */
  #items: Waiting[] = [];
  #pushed = 0;

  constructor(options: { itemCapacity: number; flowCapacity: number; classCapacity: number; ageStepMs: number }) {
    this.#itemCapacity = options.itemCapacity;
    this.#freeFlows = Array.from({ length: options.flowCapacity }, (_, index) => index).toReversed();
    this.#ageStepMs = options.ageStepMs;
    this.#classes = Array.from({ length: options.classCapacity }, () => ({
      weight: 0,
      start: 0n,
      finish: 0n,
      virtual: 0n,
      finishLatest: 0n,
    }));
  }

  get length(): number {
    return this.#items.length;
  }

  setClassWeight(classIndex: number, weight: number): void {
    this.#class(classIndex).weight = weight;
  }

  openFlow({ classIndex, weight, lengthMax }: { classIndex: number; weight: number; lengthMax: number }): number {
    const index = this.#freeFlows.pop();
    if (index === undefined) return QUEUE_FULL;
    this.#flows.set(index, { classIndex, weight, lengthMax, isHeld: false, start: 0n, finish: this.#class(classIndex).virtual });
    return index;
  }

  setFlowWeight(flowIndex: number, weight: number): void {
    this.#flow(flowIndex).weight = weight;
  }

  hold(flowIndex: number, isHeld: boolean): void {
    const flow = this.#flow(flowIndex);
    if (flow.isHeld === isHeld) return;
    const wasCompeting = this.#competes(flow.classIndex);
    flow.isHeld = isHeld;
    if (!isHeld && this.flowLength(flowIndex) > 0) this.#wake(flow, wasCompeting);
  }

  closeFlow(flowIndex: number): boolean {
    const flow = this.#flow(flowIndex);
    if (this.flowLength(flowIndex) > 0 || flow.finish > this.#class(flow.classIndex).virtual) return false;
    this.#freeFlows.push(flowIndex);
    return this.#flows.delete(flowIndex);
  }

  push(item: ReferenceItem): number {
    this.evictedHandle = NONE;
    const flow = this.#flow(item.flowIndex);
    const wasWaiting = this.flowLength(item.flowIndex) > 0;
    const wasCompeting = this.#competes(flow.classIndex);
    if (this.flowLength(item.flowIndex) >= flow.lengthMax) {
      const victim = this.#items
        .filter(({ flowIndex, urgency }) => flowIndex === item.flowIndex && urgency > item.urgency)
        .toSorted((a, b) => b.urgency - a.urgency || b.handle - a.handle)[0];
      if (victim === undefined) return FLOW_FULL;
      this.evictedHandle = victim.handle;
      this.#items = this.#items.filter((other) => other !== victim);
    } else if (this.length === this.#itemCapacity) return QUEUE_FULL;
    const handle = this.#pushed;
    this.#pushed += 1;
    this.#items.push({ ...item, handle });
    if (!wasWaiting && !flow.isHeld) this.#wake(flow, wasCompeting);
    return handle;
  }

  pop(nowMs: number): number {
    if (this.length === 0) return NONE;
    if (this.#items.some(({ deadlineMs }) => deadlineMs <= nowMs)) return EXPIRED;
    const item = this.#first();
    if (item === undefined) return NONE;
    const flow = this.#flow(item.flowIndex);
    const itsClass = this.#class(flow.classIndex);
    serve(this.#root, itsClass, item.cost);
    serve(itsClass, flow, item.cost);
    this.#leave(item);
    return item.handle;
  }

  peek(): number {
    return this.#first()?.handle ?? NONE;
  }

  remove(handle: number): boolean {
    const item = this.#items.find((waiting) => waiting.handle === handle);
    if (item !== undefined) this.#leave(item);
    return item !== undefined;
  }

  expire(nowMs: number, countMax = 64): number[] {
    const expired = this.#items
      .filter(({ deadlineMs }) => deadlineMs <= nowMs)
      .toSorted((a, b) => a.deadlineMs - b.deadlineMs)
      .slice(0, Math.min(countMax, 64));
    for (const item of expired) this.#leave(item);
    return expired.map(({ handle }) => handle);
  }

  flowLength(flowIndex: number): number {
    return this.#items.filter((item) => item.flowIndex === flowIndex).length;
  }

  classLength(classIndex: number): number {
    return this.#items.filter(({ flowIndex }) => this.#flow(flowIndex).classIndex === classIndex).length;
  }

  #wake(flow: ReferenceFlow, wasCompeting: boolean): void {
    const itsClass = this.#class(flow.classIndex);
    flow.start = later(itsClass.virtual, flow.finish);
    if (!wasCompeting) itsClass.start = later(this.#root.virtual, itsClass.finish);
  }

  /** Whether something waits in a flow of the class that is not held back. */
  #competes(classIndex: number): boolean {
    return this.#items.some(({ flowIndex }) => this.#flow(flowIndex).classIndex === classIndex && !this.#flow(flowIndex).isHeld);
  }

  #first(): Waiting | undefined {
    const rank = ({ arrivalMs, urgency }: Waiting): number => Math.floor(arrivalMs / this.#ageStepMs) + urgency;
    const waitingClasses = [...this.#classes.keys()].filter((index) => this.#competes(index));
    const classIndex = earliest(waitingClasses, (index) => this.#class(index));
    const waitingFlows = [...this.#flows.keys()].filter(
      (index) => this.#flow(index).classIndex === classIndex && this.flowLength(index) > 0 && !this.#flow(index).isHeld,
    );
    const flowIndex = earliest(waitingFlows, (index) => this.#flow(index));
    return this.#items
      .filter((item) => item.flowIndex === flowIndex)
      .toSorted((a, b) => rank(a) - rank(b) || compare(a.deadlineMs, b.deadlineMs) || a.handle - b.handle)[0];
  }

  #leave(item: Waiting): void {
    this.#items = this.#items.filter((other) => other !== item);
    const { classIndex } = this.#flow(item.flowIndex);
    if (this.classLength(classIndex) === 0) forgive(this.#class(classIndex));
    if (this.length === 0) forgive(this.#root);
  }

  #class(index: number): ReferenceClass {
    const found = this.#classes[index];
    if (found === undefined) throw new RangeError(`Cannot use class ${index}: it is none`);
    return found;
  }

  #flow(index: number): ReferenceFlow {
    const found = this.#flows.get(index);
    if (found === undefined) throw new RangeError(`Cannot use flow ${index}: it is not open`);
    return found;
  }
}

function serve(server: Server, node: Node, cost: number): void {
  server.virtual = node.start;
  node.finish = node.start + BigInt(cost) * (2n ** 32n / BigInt(node.weight));
  node.start = node.finish;
  server.finishLatest = later(server.finishLatest, node.finish);
}

function forgive(server: Server): void {
  server.virtual = server.finishLatest;
}

function earliest(indices: number[], nodeOf: (index: number) => Node): number | undefined {
  return indices.toSorted((a, b) => compare(nodeOf(a).start, nodeOf(b).start) || a - b)[0];
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function compare<T extends number | bigint>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
