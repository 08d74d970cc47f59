// What each process of a fleet's gateway takes: memory at the end of each phase, and the most files it ever had open.
import { openFiles, residentBytes } from "./process-memory.ts";

export interface WatchedProcess {
  readonly name: string;
  readonly pid: number;
}

export interface ProcessUse {
  readonly name: string;
  /** At each mark, in order. */
  readonly residentBytes: readonly number[];
  /** Of all looks, one each `LOOK_MS`. */
  readonly filesMax: number;
}

const LOOK_MS = 250;

export class ProcessWatch {
  readonly #uses: { name: string; pid: number; residentBytes: number[]; filesMax: number }[];
  readonly #looks: NodeJS.Timeout;

  constructor(processes: readonly WatchedProcess[]) {
    this.#uses = processes.map(({ name, pid }) => ({ name, pid, residentBytes: [], filesMax: 0 }));
    this.#looks = setInterval(() => this.#look(), LOOK_MS);
    this.mark();
  }

  /** Notes what each of them has resident now. */
  mark(): void {
    this.#look();
    for (const use of this.#uses) use.residentBytes.push(residentBytes(use.pid));
  }

  stop(): readonly ProcessUse[] {
    clearInterval(this.#looks);
    return this.#uses.map(({ name, residentBytes: bytes, filesMax }) => ({ name, residentBytes: bytes, filesMax }));
  }

  #look(): void {
    for (const use of this.#uses) use.filesMax = Math.max(use.filesMax, filesOf(use.pid));
  }
}

/** 0 where the process has ended: whoever waits for it says so. */
function filesOf(pid: number): number {
  try {
    return openFiles(pid);
  } catch {
    return 0;
  }
}
