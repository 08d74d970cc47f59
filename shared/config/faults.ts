export interface ConfigurationFault {
  readonly file: string;
  /** Keys and indexes from the document's root. */
  readonly path: readonly (string | number)[];
  /** "is …, expected …" */
  readonly message: string;
  /** Counted from 1, where the reader of the file knows it. */
  readonly line?: number;
}

/** The faults found so far, each told once. */
export class Faults {
  readonly #all: ConfigurationFault[] = [];

  get all(): readonly ConfigurationFault[] {
    return this.#all;
  }

  add(file: string, path: ConfigurationFault["path"], message: string): void {
    if (!this.#all.some((told) => told.message === message && told.file === file && isSamePath(told.path, path))) {
      this.#all.push({ file, path, message });
    }
  }

  /** Whether anything is told of that place already. */
  has(file: string, path: ConfigurationFault["path"]): boolean {
    return this.#all.some((told) => told.file === file && isSamePath(told.path, path));
  }
}

function isSamePath(a: ConfigurationFault["path"], b: ConfigurationFault["path"]): boolean {
  return a.length === b.length && a.every((step, index) => step === b[index]);
}
