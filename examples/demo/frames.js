/** The frames going by: the last 200, can be paused and filtered. */

import { stickToEnd } from './stick.js';

const LIMIT = 200;
const LONGEST_SHOWN = 2_000;
const KINDS = {
  open: 'open',
  heartbeat: 'heartbeat',
  prelude: 'prelude',
  message: 'message',
  close: 'close',
  send: 'send',
  note: '',
  other: 'frame',
};

export class FrameLog {
  #panel;
  #list;
  #entries = []; // {element, filterClass}
  #held = [];
  #paused = false;
  #settle;

  /** `panel` holds the list and its controls; see index.html. */
  constructor(panel) {
    this.#panel = panel;
    this.#list = panel.querySelector('.frames');
    this.#settle = stickToEnd(this.#list);
    panel.querySelector('.pause').addEventListener('click', () => this.#togglePause());
    panel.querySelector('.clear').addEventListener('click', () => this.#clear());
    for (const box of panel.querySelectorAll('input[type=checkbox]')) {
      box.addEventListener('change', () => this.#applyFilters());
    }
    this.#applyFilters();
  }

  /** Adds a frame (see taps.js). */
  frame({ direction, text, kind, bytes, isPing, at }) {
    const filterClass = isPing ? 'ping' : kind === 'heartbeat' ? 'heartbeat' : '';
    const shown = kind === 'prelude' ? `${text.slice(0, 24)}… (${formatCount(text.length)} × h)` : shorten(text);
    this.#add({ direction, kind, shown, bytes, filterClass, at });
  }

  /** Adds a remark that was no frame, such as an attempt with a transport. */
  note({ text, at }) {
    this.#add({ direction: 'note', kind: 'note', shown: text, bytes: null, filterClass: '', at });
  }

  #add(entry) {
    if (this.#paused) {
      this.#held.push(entry);
      if (this.#held.length > LIMIT) this.#held.shift();
      this.#showHeld();
      return;
    }
    this.#append(entry);
    this.#trim();
    this.#settle();
  }

  #append(entry) {
    const element = document.createElement('li');
    element.className = `frame ${entry.direction} kind-${entry.kind} ${entry.filterClass}`;
    const arrow = { in: '↓', out: '↑', note: '·' }[entry.direction];
    const spoken = { in: 'received', out: 'sent', note: '' }[entry.direction];
    element.append(
      make('time', 'at', formatTime(entry.at)),
      make('span', 'arrow', arrow, spoken),
      make('span', 'kind', KINDS[entry.kind] ?? entry.kind),
      make('code', 'text', entry.shown),
      make('span', 'bytes', entry.bytes === null ? '' : `${formatCount(entry.bytes)} B`),
    );
    this.#entries.push({ element, filterClass: entry.filterClass });
    this.#list.append(element);
    this.#panel.classList.remove('is-empty');
  }

  /** What is filtered out goes first, so that pings do not push the rest away. */
  #trim() {
    while (this.#entries.length > LIMIT) {
      const hidden = this.#entries.findIndex((entry) => this.#isHidden(entry));
      const [gone] = this.#entries.splice(Math.max(0, hidden), 1);
      gone.element.remove();
    }
  }

  #isHidden({ filterClass }) {
    return filterClass !== '' && this.#panel.classList.contains(`hide-${filterClass}`);
  }

  #togglePause() {
    this.#paused = !this.#paused;
    const button = this.#panel.querySelector('.pause');
    button.setAttribute('aria-pressed', String(this.#paused));
    button.textContent = this.#paused ? 'Resume' : 'Pause';
    if (!this.#paused) {
      for (const entry of this.#held.splice(0)) this.#append(entry);
      this.#trim();
      this.#settle(true);
    }
    this.#showHeld();
  }

  #showHeld() {
    const held = this.#panel.querySelector('.held');
    held.hidden = !this.#paused;
    held.textContent = `Paused, ${this.#held.length}${this.#held.length >= LIMIT ? '+' : ''} held back`;
  }

  #clear() {
    this.#entries = [];
    this.#held = [];
    this.#list.replaceChildren();
    this.#panel.classList.add('is-empty');
    this.#showHeld();
  }

  #applyFilters() {
    for (const box of this.#panel.querySelectorAll('input[type=checkbox]')) {
      this.#panel.classList.toggle(box.value, box.checked);
    }
    this.#settle();
  }
}

/** `1,234`. */
export function formatCount(count) {
  return count.toLocaleString('en');
}

function shorten(text) {
  if (text.length <= LONGEST_SHOWN) return text;
  return `${text.slice(0, LONGEST_SHOWN)}… (${formatCount(text.length - LONGEST_SHOWN)} more)`;
}

function formatTime(at) {
  const time = new Date(at);
  const two = (n) => String(n).padStart(2, '0');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  return `${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

function make(name, className, text, label = '') {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  if (label) {
    element.setAttribute('role', 'img');
    element.setAttribute('aria-label', label);
  }
  return element;
}
