// Types of peers that bring none.
declare module "hashring" {
  export default class HashRing {
    constructor(servers: Readonly<Record<string, { weight: number }>>, algorithm?: string, options?: Readonly<Record<string, number>>);
    get(key: string): string;
    remove(server: string): this;
  }
}

declare module "consistent-hash" {
  export default class ConsistentHash {
    constructor(options?: { readonly range?: number });
    add(node: string, weight: number, points?: readonly number[]): this;
    get(key: string): string;
    remove(node: string): this;
  }
}

declare module "rendezvous-hash" {
  export default function select(key: string, shards: Readonly<Record<string, string>>): string;
}
