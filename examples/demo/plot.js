/** The round-trip time as a small live plot (SVG), and the figures beside it. */

const SAMPLES = 60;
const PAD = { top: 18, right: 8, bottom: 6, left: 50 };
const HEIGHT = 128;
const SVG = 'http://www.w3.org/2000/svg';

export class RttPlot {
  #svg;
  #output;
  #samples = []; // {ms: number | null, transport}
  #width = 320;

  /** `output` has the elements `current`, `median`, `best`. */
  constructor(svg, output) {
    this.#svg = svg;
    this.#output = output;
    new ResizeObserver(([entry]) => {
      this.#width = Math.max(200, Math.round(entry.contentRect.width));
      this.#draw();
    }).observe(svg);
  }

  /** Adds a measurement; null for a ping that was lost. */
  add(ms, transport) {
    this.#samples.push({ ms, transport });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    this.#show(transport);
    this.#draw();
  }

  /** No connection: the figures go, the past stays to be compared with. */
  pause() {
    for (const element of Object.values(this.#output)) element.textContent = '–';
    if (this.#samples.at(-1)?.transport) this.#samples.push({ ms: null, transport: null });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    this.#draw();
  }

  /** Since the present connection began, as far as the plot goes back. */
  #own() {
    const begun = this.#samples.findLastIndex((sample) => sample.transport === null) + 1;
    return this.#samples.slice(begun).map((sample) => sample.ms).filter((ms) => ms !== null);
  }

  #show(transport) {
    const own = this.#own();
    const current = this.#samples.at(-1).ms;
    this.#output.current.textContent = current === null ? 'lost' : formatMs(current);
    this.#output.median.textContent = own.length ? formatMs(median(own)) : '–';
    this.#output.best.textContent = own.length ? formatMs(Math.min(...own)) : '–';
    this.#svg.setAttribute(
      'aria-label',
      `Round-trip time over ${transport}: now ${this.#output.current.textContent}, median ${this.#output.median.textContent}`,
    );
  }

  #draw() {
    const width = this.#width;
    const values = this.#samples.map((s) => s.ms).filter((ms) => ms !== null);
    const top = scaleTop(values);
    const x = (i) => PAD.left + ((width - PAD.left - PAD.right) * (SAMPLES - this.#samples.length + i)) / (SAMPLES - 1);
    const y = (ms) => HEIGHT - PAD.bottom - (HEIGHT - PAD.top - PAD.bottom) * Math.min(1, ms / top);

    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const level = y(top * share);
      parts.push(make('line', { class: 'grid', x1: PAD.left, x2: width - PAD.right, y1: level, y2: level }));
      parts.push(make('text', { class: 'axis', x: PAD.left - 8, y: level + 3.5 }, formatMs(top * share)));
    }
    for (const run of runs(this.#samples)) parts.push(...drawRun(run, x, y, top, HEIGHT - PAD.bottom));
    const own = this.#own();
    if (own.length > 2) {
      const level = y(median(own));
      parts.push(make('line', { class: 'median', x1: PAD.left, x2: width - PAD.right, y1: level, y2: level }));
    }
    parts.push(...this.#changes(x));
    const last = this.#samples.length - 1;
    if (last >= 0 && this.#samples[last].ms !== null) {
      parts.push(make('circle', { class: 'now', cx: x(last), cy: y(this.#samples[last].ms), r: 4 }));
    }
    if (values.length === 0) {
      parts.push(make('text', { class: 'empty', x: (width + PAD.left) / 2, y: HEIGHT / 2 + 10 }, 'Waiting for the first round trip'));
    }
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(...parts);
  }

  /** A thin line, with the name, wherever another transport took over. */
  #changes(x) {
    const parts = [];
    let before = null;
    let freeFrom = 0;
    this.#samples.forEach(({ transport }, i) => {
      if (transport === null || transport === before) return;
      if (before !== null) parts.push(make('line', { class: 'change', x1: x(i), x2: x(i), y1: PAD.top - 6, y2: HEIGHT - PAD.bottom }));
      const width = transport.length * 5.8;
      const start = Math.min(x(i), this.#width - PAD.right - width);
      if (start >= freeFrom) {
        parts.push(make('text', { class: 'change-name', x: start, y: 9 }, transport));
        freeFrom = start + width + 6;
      }
      before = transport;
    });
    return parts;
  }
}

/** `1.8 ms`, `24 ms`, `1.2 s`. */
export function formatMs(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 10 || ms === 0) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(1)} ms`;
}

function drawRun(run, x, y, top, base) {
  const points = run.map(({ i, ms }) => `${x(i).toFixed(1)},${y(ms).toFixed(1)}`);
  const parts = [];
  if (run.length > 1) {
    const [first, last] = [x(run[0].i).toFixed(1), x(run.at(-1).i).toFixed(1)];
    parts.push(make('path', { class: 'area', d: `M${first},${base}L${points.join('L')}L${last},${base}Z` }));
    parts.push(make('polyline', { class: 'line', points: points.join(' ') }));
  } else {
    parts.push(make('circle', { class: 'lone', cx: x(run[0].i), cy: y(run[0].ms), r: 2 }));
  }
  for (const { i, ms } of run) {
    if (ms > top) parts.push(make('circle', { class: 'beyond', cx: x(i), cy: y(ms), r: 3 }, '', formatMs(ms)));
  }
  return parts;
}

/** Stretches of samples without a gap and over one transport. */
function runs(samples) {
  const found = [];
  let run = null;
  samples.forEach(({ ms, transport }, i) => {
    if (ms === null) run = null;
    else if (run?.transport === transport) run.push({ i, ms });
    else {
      run = Object.assign([{ i, ms }], { transport });
      found.push(run);
    }
  });
  return found;
}

/** A round number above nearly all values: one slow round trip must not flatten the rest. */
function scaleTop(values) {
  if (values.length === 0) return 10;
  const sorted = [...values].sort((a, b) => a - b);
  const usual = sorted[Math.floor((sorted.length - 1) * 0.9)];
  const wanted = Math.max(1, Math.min(sorted.at(-1), usual * 2) * 1.1);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= wanted) ?? wanted;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** An element of SVG. */
export function make(name, attributes, text = '', title = '', children = []) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  if (title) element.append(make('title', {}, title));
  element.append(...children);
  return element;
}
