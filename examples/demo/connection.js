/**
 * One connection to a service of the demo: connects, measures, counts, reconnects.
 *
 * The chat service speaks SockJS at `/chat`; every message is one JSON object as text.
 *
 * client -> server
 *   {"type":"hello","name":"Calm Heron"}          first; name trimmed, 1-32 characters
 *   {"type":"say","text":"...","id":"k3-1"}       1-2000 characters; id optional, at most 64
 *   {"type":"ping","id":7}                        id is any number; works before hello as well
 * server -> client
 *   {"type":"roster","online":3,"names":[...]}    answer to hello, to its sender, sender included
 *   {"type":"joined","name":"...","transport":"websocket","online":3}   to the others, after hello
 *   {"type":"said","from":"...","text":"...","at":1700000000000,"id":"k3-1"}   to all, sender included
 *   {"type":"left","name":"...","online":2}       to those who remain
 *   {"type":"pong","id":7}                        to the sender alone
 *
 * `at` is in milliseconds since the epoch; `id` in `said` is the sender's own, if it gave one.
 * `online` and `names` count those who said hello. Unknown types and broken messages are ignored,
 * on either side. A second hello changes nothing: to change the name, the page reconnects.
 *
 * Events: `state` (read `.status`), `message` (a parsed object), `frame` (see taps.js), `note` (text),
 * `rtt` ({ms}, null when a ping was lost), `info` (the server's capabilities).
 */
import { describe, watch } from './taps.js';

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;
const STEADY_AFTER_MS = 5_000; // a connection that lived this long was a good one: back-off starts anew
const FIRST_PING_MS = 300; // not together with hello: that would measure the opening
const PING_EVERY_MS = 1_000;
const PING_LOST_MS = 10_000;

export class Connection extends EventTarget {
  #url;
  #hello;
  #transports = null; // names to try, or null for all
  #sock = null;
  #timers = {};
  #failures = 0;
  #ping = null;
  #pingId = 0;

  /** `state` is one of idle, connecting, open, waiting, blocked. */
  status = { state: 'idle', transport: null, since: 0, retryAt: 0, close: null };
  counters = emptyCounters();

  /** Without `hello` it says nothing and measures nothing: it listens. */
  constructor(url, hello = null) {
    super();
    this.#url = url;
    this.#hello = hello;
  }

  /** Opens, or opens again with the present choice of transports. */
  connect(reason = 'Reconnecting') {
    const close = this.#drop(reason) ?? this.status.close;
    if (this.#transports?.length === 0) {
      this.#setStatus({ state: 'blocked', transport: null, close });
      return;
    }
    this.counters = emptyCounters();
    this.#setStatus({ state: 'connecting', transport: null, close });
    this.#open();
  }

  /** Closes and stays closed. */
  disconnect(reason = 'Disconnected by the user') {
    const close = this.#drop(reason) ?? this.status.close;
    this.#failures = 0;
    this.#setStatus({ state: 'idle', transport: null, close });
  }

  /** Names that may be used, or null for all; reconnects unless the user had disconnected. */
  useTransports(names) {
    this.#transports = names;
    if (this.status.state === 'idle') return;
    this.#failures = 0;
    this.connect('Transports changed');
  }

  /** Sends a message; false when there is no connection. */
  send(message) {
    if (this.status.state !== 'open') return false;
    this.#sock.send(JSON.stringify(message));
    return true;
  }

  #open() {
    let sock;
    try {
      sock = new window.SockJS(this.#url, null, { transports: this.#transports ?? undefined });
    } catch (error) {
      this.#closed({ code: 0, reason: error.message, wasClean: false });
      return;
    }
    this.#sock = sock;
    const current = (handler) => (event) => {
      if (this.#sock === sock) handler(event);
    };
    watch(sock, {
      frame: (direction, text) => this.#frame(direction, text),
      trying: (name) => this.#note(`trying ${name}`),
      info: (info) => info && this.#emit('info', info),
    });
    sock.onopen = current(() => this.#opened(sock));
    sock.onmessage = current((event) => this.#received(event.data));
    sock.onclose = current((event) => this.#closed(event));
  }

  #opened(sock) {
    this.#setStatus({ state: 'open', transport: sock.transport, since: Date.now() });
    if (!this.#hello) return;
    this.send(this.#hello());
    this.#timers.ping = setInterval(() => this.#measure(), PING_EVERY_MS);
    this.#timers.first = setTimeout(() => this.#measure(), FIRST_PING_MS);
  }

  #closed({ code, reason, wasClean }) {
    const lived = this.status.state === 'open' ? Date.now() - this.status.since : 0;
    this.#failures = lived >= STEADY_AFTER_MS ? 1 : this.#failures + 1;
    this.#sock = null;
    this.#clearTimers();
    this.#note(`closed: ${code} ${reason || 'no reason given'}`);
    const steps = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#failures - 1));
    const delay = steps * (0.75 + Math.random() / 2);
    this.#timers.retry = setTimeout(() => this.connect(), delay);
    this.#setStatus({
      state: 'waiting',
      transport: null,
      retryAt: Date.now() + delay,
      close: { code, reason, wasClean },
    });
  }

  #received(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message?.type === 'pong') this.#measured(message.id);
    else if (message?.type) this.#emit('message', message);
  }

  #measure() {
    if (this.#ping) {
      if (performance.now() - this.#ping.at < PING_LOST_MS) return;
      this.#emit('rtt', { ms: null });
    }
    this.#ping = { id: (this.#pingId += 1), at: performance.now() };
    this.send({ type: 'ping', id: this.#ping.id });
  }

  #measured(id) {
    if (this.#ping?.id !== id) return;
    const ms = performance.now() - this.#ping.at;
    this.#ping = null;
    this.#emit('rtt', { ms });
  }

  #frame(direction, text) {
    const frame = describe(direction, text);
    const count = this.counters[direction];
    count.frames += 1;
    count.messages += frame.messages.length;
    count.bytes += frame.bytes;
    this.#emit('frame', { ...frame, at: Date.now() });
  }

  #note(text) {
    this.#emit('note', { text, at: Date.now() });
  }

  /** Lets go of the present socket, whatever its state; the way it closed when it was open, else null. */
  #drop(reason) {
    const sock = this.#sock;
    const wasOpen = this.status.state === 'open';
    this.#sock = null;
    this.#clearTimers();
    if (!sock) return null;
    if (wasOpen) this.#note(`closed: 1000 ${reason}`);
    try {
      sock.close(1000, reason);
    } catch {
      // It was closing already.
    }
    return wasOpen ? { code: 1000, reason, wasClean: true } : null;
  }

  #clearTimers() {
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.first);
    clearInterval(this.#timers.ping);
    this.#ping = null;
  }

  #setStatus(change) {
    this.status = { ...this.status, ...change };
    this.#emit('state', this.status);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function emptyCounters() {
  return { in: { frames: 0, messages: 0, bytes: 0 }, out: { frames: 0, messages: 0, bytes: 0 } };
}
