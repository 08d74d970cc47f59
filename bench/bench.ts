/** What the command line asks of a bench. */
export interface BenchOptions {
  /** How often everything is measured in turn; every figure is the median over the rounds. */
  readonly rounds: number;
  /** Says on stderr what is being measured. */
  readonly onProgress: (what: string) => void;
}
