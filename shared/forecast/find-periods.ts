// Which seasons a series has, found by folding it.

/** In steps: quarters, working days, weekdays, months, hours, half hours, weeks, and a day in steps of 15, 10, 5 and 1 minutes. */
const CANDIDATES = [4, 5, 7, 12, 24, 48, 52, 96, 144, 288, 1_440];
/** From here on a candidate is a day, and seven of it may be a week. */
const DAY_STEPS_MIN = 24;
const DAYS_PER_WEEK = 7;
/** A longer season is looked at in so many parts: from step to step there would be little but noise. */
const PARTS_MAX = 24;
/** What repeats itself after one of these parts of a period is a season of that length. */
const FRACTIONS = [2, 3, 5];
/** A season must have been seen so many times, and of a long series no more of it is looked at. */
const SEASONS_SEEN_MIN = 3;
const SEASONS_SEEN_MAX = 60;
/** Standard errors: with eleven candidates, one series in seventy without a season is given one. */
const ERRORS_MIN = 3;
/** A week is taken beside a day where it explains nearly as much: what a day explains, seven of them do too. */
const WEEK_RATIO = 0.8;

/**
 * The periods of a series, in steps: none, one, or a day and its week; missing values are NaN. Folded at a period, the
 * differences of ln(1 + value) must have more of their variance between the places of the season than chance gives them
 * (χ² with as many degrees of freedom as places, fewer where neighbours move together), and so much more than folded at a
 * half, a third or a fifth of the period. Of the candidates that do, the one that explains most.
 */
export function findPeriods(values: ArrayLike<number>): number[] {
  let [best, most] = [0, 0];
  for (const period of CANDIDATES) {
    const explained = explainedBy(values, period);
    if (explained > most) [best, most] = [period, explained];
  }
  if (best === 0) return [];
  const week = best * DAYS_PER_WEEK;
  if (best < DAY_STEPS_MIN || values.length < 2 * week + best) return [best];
  const parts = partsOf(best, 1);
  const changes = changesOf(values, { perPart: best / parts, countMax: SEASONS_SEEN_MAX * week });
  return foldedShare(changes, parts * DAYS_PER_WEEK) >= WEEK_RATIO * foldedShare(changes, parts) ? [best, week] : [best];
}

/** The share of the variance that the period explains, 0 where it is not significant. */
function explainedBy(values: ArrayLike<number>, period: number): number {
  if (values.length < SEASONS_SEEN_MIN * period) return 0;
  const whole = advantageOf(values, period, 1);
  return whole > 0 && FRACTIONS.every((fraction) => advantageOf(values, period, fraction) > 0) ? whole : 0;
}

/** What folding at the period explains above folding at period ÷ fraction (1: above nothing), 0 where that is not significant. */
function advantageOf(values: ArrayLike<number>, period: number, fraction: number): number {
  const parts = partsOf(period, fraction);
  if (parts <= fraction) return Infinity;
  const changes = changesOf(values, { perPart: period / parts, countMax: SEASONS_SEEN_MAX * period });
  let squares = 0;
  for (let lag = 1; lag <= parts / 4; lag += 1) squares += autocorrelation(changes, lag) ** 2;
  const freedom = parts / (1 + 2 * squares);
  // χ² ÷ its degrees of freedom, three standard errors above what is expected (Wilson, Hilferty 1931).
  const limit = (1 - 2 / (9 * freedom) + ERRORS_MIN * Math.sqrt(2 / (9 * freedom))) ** 3;
  const advantage = foldedShare(changes, parts) - (fraction === 1 ? 0 : foldedShare(changes, parts / fraction));
  return advantage > ((limit - 1) * parts) / changes.length ? advantage : 0;
}

/** The period's largest divisor up to PARTS_MAX that is a multiple of `fraction`; 0 where it has none. A short period is its own. */
function partsOf(period: number, fraction: number): number {
  for (let parts = Math.min(period, PARTS_MAX); parts > 0; parts -= 1) if (period % parts === 0 && parts % fraction === 0) return parts;
  return 0;
}

// From part to part, of the last `countMax` values, around 0; what is missing is as the mean.
function changesOf(
  values: ArrayLike<number>,
  { perPart, countMax }: { readonly perPart: number; readonly countMax: number },
): Float64Array {
  const count = Math.floor(Math.min(values.length, countMax) / perPart);
  const first = values.length - count * perPart;
  const parts = Array.from({ length: count }, (_, part) => {
    let [sum, known] = [0, 0];
    for (let index = first + part * perPart; index < first + (part + 1) * perPart; index += 1) {
      const value = values[index] ?? NaN;
      if (!(value >= 0)) continue;
      sum += Math.log1p(value);
      known += 1;
    }
    return sum / known;
  });
  const changes = Float64Array.from(parts.slice(1), (part, index) => part - (parts[index] ?? NaN));
  const known = changes.filter(Number.isFinite);
  const mean = known.reduce((sum, change) => sum + change, 0) / known.length;
  return changes.map((change) => (Number.isFinite(change) ? change - mean : 0));
}

/** The share of the variance between the places of a season of `length`, less what chance gives them. */
function foldedShare(changes: Float64Array, length: number): number {
  const sums = new Float64Array(length);
  const counts = new Float64Array(length);
  let power = 0;
  for (const [index, change] of changes.entries()) {
    const place = index % length;
    sums[place] = (sums[place] ?? 0) + change;
    counts[place] = (counts[place] ?? 0) + 1;
    power += change * change;
  }
  if (!(power > 0)) return 0;
  const between = sums.reduce((sum, total, place) => sum + (total * total) / Math.max(1, counts[place] ?? 0), 0);
  const chance = length / changes.length;
  return (between / power - chance) / (1 - chance);
}

function autocorrelation(changes: Float64Array, lag: number): number {
  let [product, power] = [0, 0];
  for (const [index, change] of changes.entries()) {
    power += change * change;
    if (index >= lag) product += change * (changes[index - lag] ?? 0);
  }
  return power > 0 ? product / power : 0;
}
