import type { PlottedSeries } from "./plot-page.ts";

/** What a mean is printed with: enough that reading back loses nothing a forecast knows. */
const DIGITS = 9;

/** `series,step,mean,lower,upper`, a series a chunk. */
export function* csvChunks(forecasts: Iterable<PlottedSeries>): Generator<string> {
  yield "series,step,mean,lower,upper\n";
  for (const { id, forecast } of forecasts) {
    const name = /[",\r\n]|^\s|\s$/.test(id) ? `"${id.replaceAll('"', '""')}"` : id;
    let rows = "";
    for (let step = 0; step < forecast.mean.length; step += 1)
      rows += `${name},${step + 1},${shown(forecast.mean[step])},${shown(forecast.lower[step])},${shown(forecast.upper[step])}\n`;
    yield rows;
  }
}

function shown(value = NaN): string {
  return String(Number(value.toPrecision(DIGITS)));
}
