// Two kinds of plots, as SVG.
'use strict';

const INK = '#1f2328';
const FAINT = '#d0d7de';
const COLOURS = ['#0969da', '#bc4c00', '#1a7f37', '#8250df', '#6e7781'];

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function text(x, y, content, anchor = 'start') {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escape(content)}</text>`;
}

function stroke(x1, y1, x2, y2, colour, more = '') {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${colour}" ${more}/>`;
}

function svg(width, height, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" \
font-family="sans-serif" font-size="12" fill="${INK}">
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

/** A logarithmic scale from one pixel to another, rounded. */
function scale(low, high, from, to) {
  const at = (value) => from + ((to - from) * Math.log(value / low)) / Math.log(high / low);
  return (value) => Math.round(at(value) * 10) / 10;
}

/** 1, 2, 5, 10, and so on. */
function ticks(low, high) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const digit of [1, 2, 5]) all.push(Number((digit * 10 ** power).toPrecision(1)));
  }
  return all.filter((value) => value >= low && value <= high);
}

/** How many times as much as Node: a bar for each workload, marks where it must and aims to be. */
function ratios(rows) {
  const [left, right, top, step] = [430, 860, 40, 30];
  const bottom = top + rows.length * step;
  const most = Math.max(2, ...rows.flatMap(({ ratio, second, aim }) => [ratio, second, aim]).filter(Number.isFinite));
  const x = scale(0.5, most * 1.1, left, right);
  const axis = ticks(0.5, most * 1.1).flatMap((value) => [
    stroke(x(value), top, x(value), bottom, value === 1 ? INK : FAINT),
    text(x(value), bottom + 16, `${value} ×`, 'middle'),
  ]);
  const bars = rows.flatMap(({ title, ratio, second, must, aim }, index) => {
    const y = top + index * step;
    const parts = [text(left - 8, y + 19, title, 'end')];
    if (Number.isFinite(ratio)) {
      const [from, to] = [Math.min(x(1), x(ratio)), Math.max(x(1), x(ratio))];
      const width = Math.round((to - from) * 10) / 10;
      parts.push(`<rect x="${from}" y="${y + 8}" width="${width}" height="14" fill="${COLOURS[0]}"/>`);
    }
    if (Number.isFinite(second)) parts.push(`<circle cx="${x(second)}" cy="${y + 15}" r="4" fill="${COLOURS[1]}"/>`);
    parts.push(stroke(x(must), y + 3, x(must), y + 27, INK, 'stroke-width="2"'));
    parts.push(stroke(x(aim), y + 3, x(aim), y + 27, INK, 'stroke-width="2" stroke-dasharray="3 2"'));
    return parts;
  });
  const key = [
    text(left, 16, 'messages a CPU second, times those of sockjs on Node'),
    text(left, 32, 'bar: tokio · dot: async-std · line: must · dashed: aim'),
  ];
  return svg(right + 30, bottom + 30, [...axis, ...bars, ...key]);
}

/** Lines over a number of something, both axes logarithmic. */
function curves(horizontal, vertical, lines) {
  const [left, right, top, bottom] = [60, 640, 30, 360];
  const drawn = lines.filter(({ points }) => points.length > 0);
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) return svg(right, bottom, [text(left, top, 'not measured')]);
  const [lowX, highX, lowY, highY] = [0, 1].flatMap((index) => {
    const values = all.map((point) => point[index]);
    return [Math.min(...values), Math.max(...values)];
  });
  // So that noise does not look like a slope, a factor of ten is seen at least.
  const [fromY, toY] = [lowY / 2, Math.max(highY * 2, lowY * 5)];
  const x = scale(lowX, Math.max(highX, lowX * 2), left, right - 20);
  const y = scale(fromY, toY, bottom, top);
  const axes = [
    ...ticks(lowX, highX).flatMap((value) => [
      stroke(x(value), top, x(value), bottom, FAINT),
      text(x(value), bottom + 16, value.toLocaleString('en-US'), 'middle'),
    ]),
    ...ticks(fromY, toY).flatMap((value) => [
      stroke(left, y(value), right - 20, y(value), FAINT),
      text(left - 6, y(value) + 4, `${value}`, 'end'),
    ]),
    text(left, 18, vertical),
    text((left + right) / 2, bottom + 36, horizontal, 'middle'),
  ];
  const parts = drawn.flatMap(({ title, points }, index) => {
    const colour = COLOURS[index];
    const path = points.map((point) => `${x(point[0])},${y(point[1])}`);
    const height = bottom + 58 + index * 18;
    return [
      `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map((point) => `<circle cx="${x(point[0])}" cy="${y(point[1])}" r="3" fill="${colour}"/>`),
      stroke(left, height - 4, left + 24, height - 4, colour, 'stroke-width="2"'),
      text(left + 32, height, title),
    ];
  });
  return svg(right + 20, bottom + 58 + drawn.length * 18, [...axes, ...parts]);
}

module.exports = { curves, ratios };
