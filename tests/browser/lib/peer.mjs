// A SockJS socket whose events are awaited. This file runs in pages as well as under Node.

// The client gives a transport up after some 600 ms. Tests that run side by side on a busy machine may need longer;
// the client's own patience has a test of its own.
const PATIENCE_MS = 15_000;

let opened = 0;

export class Peer {
  #messages = [];
  #heartbeats = 0;
  #waiting = null;
  #closing = null;
  #fault = null;

  /** Opens a socket; without `transport` the client chooses. */
  static async open(env, service, { transport = env.transport, patience = PATIENCE_MS } = {}) {
    const peer = new Peer(env, service, transport, patience);
    await peer.#until(() => peer.transport !== null, 'open');
    if (transport && peer.transport !== transport) {
      throw new Error(`asked for ${transport}, but ${peer.transport} is in use`);
    }
    return peer;
  }

  constructor(env, service, transport, patience) {
    this.transport = null;
    // Ids that the test knows, so that it can ask the server about the session.
    this.sessionId = `t${Date.now().toString(36)}${Math.random().toString(36).slice(2)}${opened++}`;
    this.sock = new env.SockJS(env.base + service, null, {
      transports: transport && [transport],
      timeout: patience,
      server: '000',
      sessionId: () => this.sessionId,
    });
    this.sock.onopen = () => {
      if (this.transport !== null) this.#fault = 'opened twice';
      this.transport = this.sock.transport;
      this.#wake();
    };
    this.sock.onmessage = ({ data }) => {
      if (this.transport === null || this.#closing) this.#fault = 'message outside the open phase';
      this.#messages.push(data);
      this.#wake();
    };
    this.sock.onheartbeat = () => {
      // The client takes the prelude of xhr-streaming, which comes before the open frame, for a heartbeat.
      if (this.transport === null) return;
      this.#heartbeats += 1;
      this.#wake();
    };
    this.sock.onclose = ({ code, reason, wasClean }) => {
      if (this.#closing) this.#fault = 'closed twice';
      this.#closing = { code, reason, wasClean };
      this.#wake();
    };
  }

  #wake() {
    this.#waiting?.();
  }

  /** Waits for a condition that only this socket's events change. */
  async #until(condition, what) {
    while (!condition()) {
      if (this.#fault) throw new Error(this.#fault);
      if (this.#closing) {
        const { code, reason } = this.#closing;
        throw new Error(`closed with ${code} ${JSON.stringify(reason)} while waiting for ${what}`);
      }
      await new Promise((resolve) => (this.#waiting = resolve));
    }
    if (this.#fault) throw new Error(this.#fault);
  }

  send(message) {
    this.sock.send(message);
  }

  /** The next message. */
  async next() {
    await this.#until(() => this.#messages.length > 0, 'a message');
    return this.#messages.shift();
  }

  /** The next message, which must be this one. */
  async expect(message) {
    const received = await this.next();
    if (received !== message) throw new Error(`expected ${show(message)}, received ${show(received)}`);
  }

  async heartbeat() {
    await this.#until(() => this.#heartbeats > 0, 'a heartbeat');
  }

  /** Closes from this side; the client reports it at once. */
  async close(code = 1000, reason = 'Normal closure') {
    this.sock.close(code, reason);
    await this.expectClose(code, reason);
  }

  /** Waits for the end of the socket, which must be a clean one with this code and reason, and nothing unread before it. */
  async expectClose(code, reason) {
    await this.#until(() => this.#closing || this.#messages.length > 0, 'the close');
    if (this.#messages.length > 0) throw new Error(`unexpected message ${show(this.#messages[0])}`);
    const expected = JSON.stringify({ code, reason, wasClean: true });
    const actual = JSON.stringify(this.#closing);
    if (actual !== expected) throw new Error(`expected the close ${expected}, but it was ${actual}`);
  }
}

/** A message so that one sees its bytes. */
export function show(message) {
  const text = JSON.stringify(message).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return text.length > 120 ? `${text.slice(0, 120)}… (${message.length} units)` : text;
}
