// The middle of some figures.
'use strict';

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median of what `of` makes of each round's figures, by the cells' keys. A machine that is slow for some seconds is so
 * for all servers of a round.
 */
function over(row, of) {
  const rounds = Array.from({ length: row.rounds }, (_, round) =>
    of(Object.fromEntries(Object.entries(row.cells).map(([key, { values }]) => [key, values?.[round] ?? NaN]))),
  );
  return median(rounds.filter(Number.isFinite));
}

module.exports = { median, over };
