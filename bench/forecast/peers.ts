// The forecasters of npm, each fitted anew at an origin to the values before it: that is how they are meant to be used.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

export interface PeerForecast {
  /** From one step on. */
  readonly mean: readonly number[];
}

export interface Peer {
  readonly name: string;
  /** Throws where it finds no model. */
  forecast(history: readonly number[], task: { readonly steps: number; readonly daySteps: number }): PeerForecast;
}

/** MSTL needs two of its longest period, and takes as long as the history is. */
const SEASONS_MIN = 2;

/** Those that are installed, and why the others are not there. */
export async function loadPeers(): Promise<{ peers: Peer[]; missing: Record<string, string> }> {
  const peers: Peer[] = [];
  const missing: Record<string, string> = {};
  for (const [name, load] of Object.entries({ "@bsull/augurs": loadAugurs, arima: loadArima })) {
    try {
      peers.push(await load());
    } catch (error) {
      missing[name] = `not measured: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return { peers, missing };
}

// MSTL with a day's season and ETS, on logs.
async function loadAugurs(): Promise<Peer> {
  const { initSync, MSTL } = await import("@bsull/augurs/mstl");
  const require = createRequire(import.meta.url);
  initSync({ module: await readFile(require.resolve("@bsull/augurs/mstl").replace(/\.js$/, "_bg.wasm")) });
  return {
    name: "augurs MSTL+ETS",
    forecast(history, { steps, daySteps }) {
      const model = MSTL.ets(history.length >= SEASONS_MIN * daySteps ? [daySteps] : []);
      try {
        model.fit(Float64Array.from(history, (value) => Math.log1p(value)));
        return { mean: model.predict(steps).point.map((log) => Math.max(0, Math.expm1(log))) };
      } finally {
        model.free();
      }
    },
  };
}

// ARIMA(2, 1, 2) on logs: its own search takes seconds a fit.
async function loadArima(): Promise<Peer> {
  const { default: Arima } = await import("arima");
  return {
    name: "arima (2,1,2)",
    forecast(history, { steps }) {
      const model = new Arima({ p: 2, d: 1, q: 2, verbose: false });
      try {
        const [mean] = model.train(history.map((value) => Math.log1p(value))).predict(steps);
        return { mean: mean.map((log) => Math.max(0, Math.expm1(log))) };
      } finally {
        model.destroy();
      }
    },
  };
}
