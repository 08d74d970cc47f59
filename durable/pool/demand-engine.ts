// A service's forecaster and the planner's state: made at their first need, from what was stored.
import type { ServiceConfig } from "#shared/config/schema.ts";
import { DemandForecaster, type DemandOptions } from "#wasm/binding/forecast/demand-forecaster.ts";
import type { Kernels } from "#wasm/binding/kernels.ts";
import { eventsOf, modelOf } from "./demand-configuration.ts";
import type { DemandStates } from "./demand-store.ts";
import { newPlannerState, readPlannerState, type PlannerState } from "./plan/planner-state.ts";

interface EngineShell {
  readonly kernels: Kernels;
  /** Others, of which nothing is in use. */
  readonly freshKernels: () => Kernels;
  readonly loadStates: () => DemandStates | null;
}

interface EngineEvents {
  /** The forecaster knows nothing: there was nothing, or what there was is refused. */
  readonly begun: () => void;
  /** What was stored is refused. */
  readonly refused: (part: "forecaster" | "planner", reason: string) => void;
}

export class DemandEngine {
  readonly #shell: EngineShell;
  readonly #events: EngineEvents;
  /** Of the configuration's parts that it was made for. */
  #made: { readonly key: string; readonly forecaster: DemandForecaster } | null = null;
  #planner: PlannerState | null = null;

  constructor(shell: EngineShell, events: EngineEvents) {
    this.#shell = shell;
    this.#events = events;
  }

  /** Null: not needed yet. */
  get forecaster(): DemandForecaster | null {
    return this.#made?.forecaster ?? null;
  }

  get planner(): PlannerState | null {
    return this.#planner;
  }

  /** As they are to be stored; null: there are none yet. */
  get states(): DemandStates | null {
    if (this.#made === null || this.#planner === null) return null;
    return { forecaster: this.#made.forecaster.toBytes(), planner: this.#planner.bytes };
  }

  /** Made at its first need: decoding the model is no part of a start. */
  forecasterOf(service: ServiceConfig): DemandForecaster {
    const { timeZone, seasonsMs } = service.forecast;
    const key = JSON.stringify([timeZone, seasonsMs]);
    if (this.#made?.key === key) return this.#made.forecaster;
    const states = this.#made === null ? this.#shell.loadStates() : null;
    const before = this.#made === null ? states?.forecaster : this.#made.forecaster.toBytes();
    // A model's table is never given back, and is of another size for other seasons: with these its memory goes as a whole.
    const kernels = this.#made === null ? this.#shell.kernels : this.#shell.freshKernels();
    this.#made?.forecaster.release();
    this.#made = null;
    const options: DemandOptions = { timeZone, events: eventsOf(service), model: modelOf(service) };
    const forecaster = new DemandForecaster(kernels, options);
    this.#made = { key, forecaster };
    const restored = before === undefined ? null : forecaster.restore(before);
    if (restored?.ok !== true) this.#events.begun();
    if (restored !== null && !restored.ok) this.#events.refused("forecaster", restored.reason);
    this.#planner ??= this.#plannerFrom(states?.planner, service.provisioning.startMsPrior);
    return forecaster;
  }

  #plannerFrom(bytes: Uint8Array | undefined, startMsPrior: number): PlannerState {
    const read = bytes === undefined ? null : readPlannerState(bytes);
    if (bytes !== undefined && read === null) this.#events.refused("planner", "unreadable");
    return read ?? newPlannerState(startMsPrior);
  }
}
