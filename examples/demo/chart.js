/** A chart of the last two minutes (SVG): lines, or areas one on the other, with a legend that reads the values. */
import { make } from './plot.js';

const SPAN_MS = 120_000;
const STEP_MS = 1_000;
const GAP_MS = 2_500; // a longer pause between snapshots is a gap in the line
const HEIGHT = 170;
const PAD = { top: 12, right: 10, bottom: 22, left: 58 };

export class Chart {
  #svg = make('svg', { role: 'img', tabindex: 0, preserveAspectRatio: 'none' });
  #cursor = null; // the time that is pointed at, or null for now
  #legend = document.createElement('ul');
  #time = document.createElement('span');
  #title;
  #series;
  #format;
  #floor;
  #isStacked;
  #samples = []; // {at, values}
  #width = 480;

  /**
   * Fills a panel that has a heading. `series` are {name, color}; `format` writes a value; `floor` is the least that
   * the scale reaches. Of `isStacked` ones, those that were never there are left out of the legend.
   */
  constructor(panel, { series, format, floor = 1, isStacked = false }) {
    this.#title = panel.querySelector('h2').textContent;
    this.#series = series;
    this.#format = format;
    this.#floor = floor;
    this.#isStacked = isStacked;
    this.#legend.className = 'legend';
    this.#time.className = 'when quiet';
    const head = document.createElement('div');
    head.className = 'chart-head';
    head.append(panel.querySelector('h2'), this.#time);
    panel.append(head, this.#svg, this.#legend);
    this.#watchPointer();
    new ResizeObserver(([entry]) => {
      this.#width = Math.max(240, Math.round(entry.contentRect.width));
      this.draw();
    }).observe(this.#svg);
  }

  /** A snapshot: a value for each of the series, null for none. */
  add(at, values) {
    this.#samples.push({ at, values });
    while (this.#samples[0].at < at - SPAN_MS) this.#samples.shift();
  }

  draw() {
    const last = this.#samples.at(-1);
    if (!last) return;
    const stacks = this.#samples.map((sample) => this.#levels(sample.values));
    const top = scaleTop(Math.max(this.#floor, ...stacks.flat().map((value) => value ?? 0)));
    const x = (at) => PAD.left + (this.#width - PAD.left - PAD.right) * (1 - (last.at - at) / SPAN_MS);
    const y = (value) => HEIGHT - PAD.bottom - (HEIGHT - PAD.top - PAD.bottom) * (value / top);
    const parts = this.#grid(x, y, top, last.at);
    const drawn = this.#isStacked ? this.#areas(stacks, x, y) : this.#lines(x, y);
    parts.push(make('g', { class: 'data' }, '', '', drawn));
    const shown = this.#shown();
    if (this.#cursor !== null) {
      parts.push(make('line', { class: 'cursor', x1: x(shown.at), x2: x(shown.at), y1: PAD.top, y2: HEIGHT - PAD.bottom }));
    }
    this.#levels(shown.values).forEach((level, i) => {
      if (level === null || (this.#isStacked && !shown.values[i])) return;
      const dot = make('circle', { class: 'now', cx: x(shown.at), cy: y(level), r: 3.5 });
      parts.push(paint(dot, 'fill', this.#series[i].color));
    });
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${HEIGHT}`);
    this.#svg.replaceChildren(...parts);
    this.#read(shown, last);
  }

  /** Where each of the series is drawn: upon those before it, if they are stacked. */
  #levels(values) {
    let sum = 0;
    return this.#isStacked ? values.map((value) => (sum += value ?? 0)) : values;
  }

  /** The snapshot that is pointed at, or the last. */
  #shown() {
    const cursor = this.#cursor ?? Infinity;
    return this.#samples.findLast((sample) => sample.at <= cursor) ?? this.#samples[0];
  }

  #grid(x, y, top, now) {
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const level = y(top * share);
      parts.push(make('line', { class: 'grid', x1: PAD.left, x2: this.#width - PAD.right, y1: level, y2: level }));
      parts.push(make('text', { class: 'axis', x: PAD.left - 8, y: level + 3.5 }, this.#format(top * share)));
    }
    for (const [seconds, text, anchor] of [[120, '2 min ago', 'start'], [60, '1 min ago', 'middle'], [0, 'now', 'end']]) {
      const at = x(now - seconds * 1_000);
      parts.push(make('text', { class: 'tick', x: at, y: HEIGHT - 6, 'text-anchor': anchor }, text));
    }
    return parts;
  }

  #lines(x, y) {
    return this.#series.flatMap(({ color }, i) => {
      const points = (run) => run.map(({ at, values }) => `${x(at).toFixed(1)},${y(values[i]).toFixed(1)}`).join(' ');
      return runs(this.#samples, i).map((run) => paint(make('polyline', { class: 'line', points: points(run) }), 'stroke', color));
    });
  }

  #areas(stacks, x, y) {
    const parts = [];
    for (const run of runs(this.#samples, 0)) {
      const begin = this.#samples.indexOf(run[0]);
      const level = (n, i) => `${x(run[n].at).toFixed(1)},${y(i < 0 ? 0 : stacks[begin + n][i]).toFixed(1)}`;
      const indices = run.map((_, n) => n);
      this.#series.forEach(({ color }, i) => {
        if (run.every(({ values }) => !values[i])) return;
        const upper = indices.map((n) => level(n, i));
        const lower = indices.map((n) => level(n, i - 1)).reverse();
        parts.push(paint(make('polygon', { class: 'area', points: [...upper, ...lower].join(' ') }), 'fill', color));
        parts.push(paint(make('polyline', { class: 'line', points: upper.join(' ') }), 'stroke', color));
      });
    }
    return parts;
  }

  /** Writes the values that are shown, for those who see and those who listen. */
  #read(shown, last) {
    const ago = Math.round((last.at - shown.at) / 1_000);
    this.#time.textContent = this.#cursor === null ? '' : `${ago} s ago`;
    const entries = [];
    this.#series.forEach(({ name, color }, i) => {
      if (this.#isStacked && this.#samples.every(({ values }) => !values[i])) return;
      const item = document.createElement('li');
      const dot = document.createElement('span');
      dot.className = 'dot';
      dot.style.background = color;
      const value = document.createElement('strong');
      value.textContent = shown.values[i] === null ? '–' : this.#format(shown.values[i]);
      item.append(dot, name, value);
      entries.push(item);
    });
    this.#legend.replaceChildren(...entries);
    const spoken = entries.map((entry) => `${entry.childNodes[1].textContent} ${entry.lastChild.textContent}`);
    const when = this.#cursor === null ? 'now' : `${ago} seconds ago`;
    this.#svg.setAttribute('aria-label', `${this.#title}, ${when}: ${spoken.join(', ') || 'none'}`);
  }

  #watchPointer() {
    const point = (at) => {
      this.#cursor = at;
      this.draw();
    };
    const now = () => this.#samples.at(-1)?.at ?? 0;
    this.#svg.addEventListener('pointermove', (event) => {
      const box = this.#svg.getBoundingClientRect();
      const share = (event.clientX - box.left - PAD.left) / (box.width - PAD.left - PAD.right);
      point(now() - SPAN_MS * (1 - Math.min(1, Math.max(0, share))));
    });
    this.#svg.addEventListener('pointerleave', () => point(null));
    this.#svg.addEventListener('blur', () => point(null));
    this.#svg.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -STEP_MS, ArrowRight: STEP_MS }[event.key];
      if (event.key === 'Escape') point(null);
      if (!step) return;
      event.preventDefault();
      const at = (this.#cursor ?? now()) + step * (event.shiftKey ? 10 : 1);
      point(at >= now() ? null : Math.max(at, now() - SPAN_MS));
    });
  }
}

/** Stretches of snapshots without a pause, that have a value. */
function runs(samples, series) {
  const found = [];
  let before = null;
  for (const sample of samples) {
    if (sample.values[series] === null) {
      before = null;
      continue;
    }
    if (before && sample.at - before.at < GAP_MS) found.at(-1).push(sample);
    else found.push([sample]);
    before = sample;
  }
  return found;
}

/** Not by an attribute, which the page's policy forbids. */
function paint(element, property, color) {
  element.style[property] = color;
  return element;
}

/** The next round number. */
function scaleTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= value) ?? value;
}
