/** The conversation: what was said, who came and went, and the field to say something. */

import { stickToEnd } from './stick.js';

const LIMIT = 300;
const ADJECTIVES = ['Amber', 'Brisk', 'Calm', 'Clever', 'Gentle', 'Keen', 'Lucky', 'Merry', 'Nimble', 'Quiet', 'Rosy', 'Sunny', 'Swift', 'Witty'];
const ANIMALS = ['Badger', 'Dolphin', 'Finch', 'Fox', 'Gecko', 'Hare', 'Heron', 'Lynx', 'Marten', 'Otter', 'Owl', 'Panda', 'Robin', 'Wren'];

export class Chat {
  #panel;
  #list;
  #send;
  #settle;
  #names = [];
  #windowKey = Math.random().toString(36).slice(2, 8);
  #saidCount = 0;
  #lastFrom = null;

  /** `send(message)` sends, and says whether it could; `renamed()` is called for a new name. */
  constructor(panel, { send, renamed }) {
    this.#panel = panel;
    this.#send = send;
    this.#list = panel.querySelector('.messages');
    this.#settle = stickToEnd(this.#list);
    this.#nameField.value = rememberedName();
    this.#nameField.addEventListener('change', () => this.#rename(renamed));
    panel.querySelector('form.compose').addEventListener('submit', (event) => this.#say(event));
    panel.querySelector('form.identity').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#textField.focus();
    });
  }

  /** The name in use. */
  get name() {
    return this.#nameField.value.trim();
  }

  /** The connection opened over this transport. */
  connected(transport) {
    this.#panel.querySelector('.send').disabled = false;
    this.#textField.placeholder = 'Write a message';
    this.#remark(`You are connected over ${transport}`);
  }

  /** The connection is gone, and why; no remark when the next one is under way already. */
  disconnected(why) {
    this.#panel.querySelector('.send').disabled = true;
    this.#textField.placeholder = 'Not connected';
    if (why) this.#remark(why);
    this.#setNames([]);
  }

  /** Takes one message of the service; see connection.js for the kinds. */
  receive(message) {
    const { type, name, online } = message;
    if (type === 'said') this.#said(message);
    if (type === 'roster') this.#setNames(message.names ?? []);
    if (type === 'joined' && this.#names.length < online) {
      this.#setNames([...this.#names, name]);
      this.#remark(`${name} joined over ${message.transport}`);
    }
    if (type === 'left') {
      const place = this.#names.indexOf(name);
      if (place >= 0) this.#setNames(this.#names.toSpliced(place, 1));
      this.#remark(`${name} left`);
    }
  }

  get #nameField() {
    return this.#panel.querySelector('#name');
  }

  get #textField() {
    return this.#panel.querySelector('#text');
  }

  #say(event) {
    event.preventDefault();
    const text = this.#textField.value.trim();
    if (text === '') return;
    this.#saidCount += 1;
    if (this.#send({ type: 'say', text, id: `${this.#windowKey}-${this.#saidCount}` })) {
      this.#textField.value = '';
    }
    this.#textField.focus();
  }

  #rename(renamed) {
    this.#nameField.value = this.name || inventName();
    remember(this.name);
    renamed();
  }

  #said({ from, text, at, id }) {
    const isOwn = typeof id === 'string' ? id.startsWith(`${this.#windowKey}-`) : from === this.name;
    const speaker = `${isOwn}:${from}`;
    const item = make('div', `said ${isOwn ? 'own' : 'other'} ${speaker === this.#lastFrom ? 'continued' : ''}`);
    const head = make('p', 'head');
    head.append(make('span', 'from', isOwn ? `${from} (you)` : from), make('time', 'at', formatClock(at)));
    const body = make('p', 'body', text);
    body.dir = 'auto';
    item.style.setProperty('--hue', hueOf(from));
    item.append(head, body);
    this.#append(item);
    this.#lastFrom = speaker;
  }

  #remark(text) {
    this.#append(make('p', 'remark', text));
    this.#lastFrom = null;
  }

  #append(item) {
    const list = this.#list;
    list.append(item);
    while (list.childElementCount > LIMIT) list.firstElementChild.remove();
    this.#settle(item.classList.contains('own'));
  }

  #setNames(names) {
    this.#names = names;
    const chips = names.slice(0, 8).map((name) => {
      const chip = make('li', 'person', name);
      chip.style.setProperty('--hue', hueOf(name));
      return chip;
    });
    if (names.length > 8) chips.push(make('li', 'person more', `+${names.length - 8}`));
    this.#panel.querySelector('.people').replaceChildren(...chips);
    this.#panel.querySelector('.online').textContent = names.length ? `${names.length} online` : '';
  }
}

function rememberedName() {
  const asked = new URLSearchParams(location.search).get('name')?.trim().slice(0, 32);
  const name = asked || sessionStorage.getItem('name') || inventName();
  remember(name);
  return name;
}

function remember(name) {
  sessionStorage.setItem('name', name);
}

function inventName() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  return `${pick(ADJECTIVES)} ${pick(ANIMALS)}`;
}

/** The same colour for the same name, in every window. */
function hueOf(name) {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 3600;
  return hash % 360;
}

function formatClock(at) {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function make(name, className, text = '') {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}
