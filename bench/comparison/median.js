// The middle of some figures.
'use strict';

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median of what `of` makes of each round's figures and of the kernel's parts, both by the cells' keys. A machine that is
 * slow for some seconds is so for all servers of a round.
 */
function over(row, of) {
  const cells = Object.entries(row.cells);
  const rounds = Array.from({ length: row.rounds }, (_, round) => {
    const each = (list) => Object.fromEntries(cells.map(([key, cell]) => [key, cell[list]?.[round] ?? NaN]));
    return of(each('values'), each('kernels'));
  });
  return median(rounds.filter(Number.isFinite));
}

module.exports = { median, over };
