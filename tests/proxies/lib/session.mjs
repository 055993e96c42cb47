// A session as sockjs-client has it, on any transport.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { WebSocket } from './websocket.mjs';

export const STREAMING = ['xhr_streaming', 'eventsource', 'htmlfile'];
export const WEBSOCKETS = ['websocket', 'raw websocket'];
export const TRANSPORTS = [...WEBSOCKETS, ...STREAMING, 'xhr', 'jsonp'];

/** Only a failure takes so long. */
const PATIENCE_MS = 10_000;

/** How each transport wraps its frames; the group is the frame, as a JSON string where it is in a script. */
const WRAPPING = {
  xhr: /(.*)\n/y,
  xhr_streaming: /(.*)\n/y,
  eventsource: /(?:\r\n)?data: (.*)\r\n\r\n/y,
  htmlfile: /(?:<!doctype[^]*?\r\n\r\n)?<script>\np\((.*)\);\n<\/script>\r\n/y,
  jsonp: /\/\*\*\/callback\((.*)\);\r\n/y,
};

export class Session {
  #transport;
  #url;
  #agent;
  #cookies = new Map();
  #messages;
  #response;
  #socket;

  /** Opens a session of the service with this URL. */
  static async open(transport, service, agent) {
    const session = new Session();
    session.#transport = transport;
    session.#url = `${service}/000/${randomUUID()}`;
    session.#agent = agent;
    const target = { websocket: `${session.#url}/websocket`, 'raw websocket': `${service}/websocket` }[transport];
    if (target) session.#socket = await session.#patiently(WebSocket.open(target));
    const frames = session.#socket ? session.#socket.messages() : session.#frames();
    session.#messages = transport === 'raw websocket' ? frames : unframed(frames);
    if (transport !== 'raw websocket') await session.#next('open');
    return session;
  }

  async send(text) {
    if (this.#socket) return this.#socket.send(this.#transport === 'websocket' ? JSON.stringify([text]) : text);
    const messages = JSON.stringify([text]);
    const [path, type, body] =
      this.#transport === 'jsonp'
        ? ['jsonp_send', 'application/x-www-form-urlencoded', `d=${encodeURIComponent(messages)}`]
        : ['xhr_send', 'text/plain', messages];
    const response = await this.#patiently(this.#request('POST', path, body, { 'Content-Type': type }));
    response.resume();
    if (response.statusCode >= 300) throw new Error(`${path}: status ${response.statusCode}`);
  }

  /** The next message. */
  async receive() {
    return this.#next();
  }

  /** Whether all came in one response that has not ended. */
  isStreaming() {
    return STREAMING.includes(this.#transport) && !this.#response.complete;
  }

  close() {
    this.#socket?.close();
    this.#response?.destroy();
  }

  async #next() {
    const { value, done } = await this.#patiently(this.#messages.next());
    if (done) throw new Error(`${this.#transport}: the session ended`);
    return value;
  }

  async #patiently(promise) {
    const timer = new AbortController();
    const late = sleep(PATIENCE_MS, undefined, { signal: timer.signal }).then(() => {
      throw new Error(`${this.#transport}: nothing came`);
    });
    late.catch(() => {});
    return Promise.race([promise, late]).finally(() => timer.abort());
  }

  async *#frames() {
    const isGet = ['eventsource', 'htmlfile', 'jsonp'].includes(this.#transport);
    const query = ['htmlfile', 'jsonp'].includes(this.#transport) ? '?c=callback' : '';
    for (;;) {
      this.#response = await this.#request(isGet ? 'GET' : 'POST', this.#transport + query);
      if (this.#response.statusCode !== 200) throw new Error(`status ${this.#response.statusCode}`);
      yield* this.#unwrapped(this.#response);
    }
  }

  async *#unwrapped(response) {
    const wrapping = new RegExp(WRAPPING[this.#transport]);
    const isScript = ['htmlfile', 'jsonp'].includes(this.#transport);
    let text = '';
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        text += chunk;
        for (let match; (match = wrapping.exec(text)); text = text.slice(match[0].length)) {
          wrapping.lastIndex = 0;
          yield isScript ? JSON.parse(match[1]) : match[1];
        }
      }
    } catch (error) {
      // The way in which this client leaves a stream.
      if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE' && error.code !== 'ECONNRESET') throw error;
    }
  }

  async #request(method, path, body = '', headers = {}) {
    const cookies = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const all = { ...headers, ...(cookies && { Cookie: cookies }), 'Content-Length': Buffer.byteLength(body) };
    const sent = request(`${this.#url}/${path}`, { method, agent: this.#agent, headers: all }).end(body);
    const [response] = await once(sent, 'response');
    for (const cookie of response.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      this.#cookies.set(name, value);
    }
    return response;
  }
}

/** What is in the frames: "open", then messages. */
async function* unframed(frames) {
  for await (const frame of frames) {
    if (frame === 'o') yield 'open';
    else if (frame.startsWith('a')) yield* JSON.parse(frame.slice(1));
    // A heartbeat, or what xhr_streaming begins with.
    else if (!/^h+$/.test(frame)) throw new Error(`frame ${frame}`);
  }
}
