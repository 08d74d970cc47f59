// Types of peers that bring none.
declare module "hashring" {
  export default class HashRing {
    constructor(servers: Readonly<Record<string, { weight: number }>>);
    get(key: string): string;
  }
}

declare module "consistent-hash" {
  export default class ConsistentHash {
    add(node: string, weight: number): void;
    get(key: string): string;
  }
}

declare module "rendezvous-hash" {
  export default function select(key: string, shards: Readonly<Record<string, string>>): string;
}
