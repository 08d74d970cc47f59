// Whether anybody but this process is connected to a port of this machine: by the kernel's own table (Linux).
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const ESTABLISHED = "01";
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

/** Null: nobody can tell here. */
export function isConnected(port: number): boolean | null {
  const tables = TABLES.flatMap((file) => readIfThere(file) ?? []);
  if (tables.length === 0) return null;
  const own = ownSockets();
  const rows = tables.flatMap((table) => connectionsOf(table));
  // Of a connection within this machine both ends are listed: the other end's socket says whose it is.
  const ownPorts = new Set(rows.filter(({ inode }) => own.has(inode)).map(({ localPort }) => localPort));
  return rows.some(({ localPort, remotePort }) => localPort === port && !ownPorts.has(remotePort));
}

interface Connection {
  readonly localPort: number;
  readonly remotePort: number;
  readonly inode: string;
}

/** Columns of proc(5): sl, local, remote, state, queues, timer, retransmits, uid, timeout, inode. */
export function connectionsOf(table: string): Connection[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", remote = "", state, , , , , , inode = ""] = line.trim().split(/\s+/);
      return state === ESTABLISHED ? [{ localPort: portOf(local), remotePort: portOf(remote), inode }] : [];
    });
}

function portOf(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(":") + 1), 16);
}

function ownSockets(): ReadonlySet<string> {
  return new Set(
    readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? [];
      } catch {
        // Closed meanwhile.
        return [];
      }
    }),
  );
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
