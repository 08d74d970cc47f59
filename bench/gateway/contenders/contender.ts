/** A server that forwards `/s/echo/…` to the backend. */
export interface Contender {
  readonly name: string;
  readonly port: number;
  /** The process that serves: its CPU is what a request costs. */
  readonly pid: number;
  stop(): Promise<void>;
}
