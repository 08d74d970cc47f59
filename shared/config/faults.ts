export interface ConfigurationFault {
  /** Empty: no file's alone. */
  readonly file: string;
  /** Keys and indexes from the document's root. */
  readonly path: readonly (string | number)[];
  /** "is …, expected …" */
  readonly message: string;
  /** Counted from 1, where the reader of the file knows it. */
  readonly line?: number;
}

/** More are of no use to who mends them, and a document may have as many as it has bytes. */
const FAULT_COUNT_MAX = 1_000;

/** The faults found so far, each told once. */
export class Faults {
  readonly #all: ConfigurationFault[] = [];
  readonly #places = new Set<string>();
  readonly #told = new Set<string>();

  get all(): readonly ConfigurationFault[] {
    return this.#all;
  }

  add(file: string, path: ConfigurationFault["path"], message: string): void {
    const place = placeOf(file, path);
    if (this.#all.length === FAULT_COUNT_MAX || this.#told.has(place + message)) return;
    this.#told.add(place + message);
    this.#places.add(place);
    const isLast = this.#all.length === FAULT_COUNT_MAX - 1;
    this.#all.push(
      isLast ? { file, path: [], message: `has more than ${FAULT_COUNT_MAX} faults, expected none` } : { file, path, message },
    );
  }

  /** Whether anything is told of that place already. */
  has(file: string, path: ConfigurationFault["path"]): boolean {
    return this.#places.has(placeOf(file, path));
  }
}

function placeOf(file: string, path: ConfigurationFault["path"]): string {
  return JSON.stringify([file, ...path]);
}
