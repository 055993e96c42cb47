// The middle of some figures.
'use strict';

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median of what `of` makes of each turn's figures and of the kernel's parts, both by the cells' keys. A machine that is
 * slow for some seconds is so for all servers of a turn.
 */
function over(row, of) {
  const cells = Object.entries(row.cells);
  const turns = Array.from({ length: row.turns }, (_, turn) => {
    const each = (list) => Object.fromEntries(cells.map(([key, cell]) => [key, cell[list]?.[turn] ?? NaN]));
    return of(each('values'), each('kernels'));
  });
  return median(turns.filter(Number.isFinite));
}

module.exports = { median, over };
