export type Judge = "lint" | "format" | "types" | "dead-code" | "sizes" | "schema";

/** One fault that a check must find. A check that finds nothing anywhere looks the same as a clean tree. */
export interface Canary {
  readonly name: string;
  readonly judge: Judge;
  /** Where the fault is planted, relative to the project's folder; the judge must name it. */
  readonly file: string;
  /** The file with the fault, from what it was: "" where it is new. */
  readonly plant: (before: string) => string | Uint8Array;
  /** The rule that the judge must name on the same line; null: the judge must not name the file. */
  readonly expect: string | null;
}
