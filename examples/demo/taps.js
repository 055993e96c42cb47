/**
 * Shows the real SockJS frames, whatever the transport.
 *
 * Incoming: every transport of sockjs-client, the iframe ones included, hands each frame to
 * `SockJS.prototype._transportMessage`; one wrapper there sees them all. Outgoing: the array that
 * really leaves is caught where it leaves: the socket's `send`, the HTTP transports' `sender`, and for the
 * iframe transports the iframe's own XMLHttpRequest, for the batching happens in there.
 *
 * The client is vendored at one version, so these names are fixed; should they be missing all the
 * same, the page works and the frames panel stays empty.
 */

const watchers = new WeakMap(); // SockJS instance -> its watcher
const encoder = new TextEncoder();
let installed = false;

/** Number of bytes of `text` on the wire. */
export const byteLength = (text) => encoder.encode(text).length;

/**
 * Calls the watcher's methods for one connection:
 * `frame(direction, text)`, `trying(transport)`, `info(info, rtt)`.
 */
export function watch(sock, watcher) {
  install(sock.constructor.prototype);
  watchers.set(sock, watcher);
}

/** Says what a frame is: its kind, its messages, whether it only measures the round trip. */
export function describe(direction, text) {
  const frame = { direction, text, bytes: byteLength(text), kind: 'other', messages: [], isPing: false };
  const body = direction === 'out' ? text : text.slice(1);
  if (direction === 'out') frame.kind = 'send';
  else if (text === 'o') frame.kind = 'open';
  else if (/^h+$/.test(text)) frame.kind = text.length === 1 ? 'heartbeat' : 'prelude';
  else if (text[0] === 'a' || text[0] === 'm') frame.kind = 'message';
  else if (text[0] === 'c') frame.kind = 'close';
  if (frame.kind === 'send' || frame.kind === 'message') {
    frame.messages = [parse(body)].flat();
    frame.isPing = frame.messages.length > 0 && frame.messages.every(isPing);
  }
  return frame;
}

function isPing(message) {
  const type = typeof message === 'string' ? parse(message)?.type : undefined;
  return type === 'ping' || type === 'pong';
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function install(prototype) {
  if (installed) return;
  installed = true;
  before(prototype, '_receiveInfo', (sock, info, rtt) => watchers.get(sock)?.info(info, rtt));
  before(prototype, '_transportMessage', (sock, text) => watchers.get(sock)?.frame('in', text));
  after(prototype, '_connect', (sock) => {
    const transport = sock._transport;
    const watcher = watchers.get(sock);
    if (!transport || !watcher) return;
    watcher.trying(transport.transportName);
    tapOutgoing(transport, (text) => watcher.frame('out', text));
  });
  before(prototype, '_close', (sock) => muteLastPoll(sock._transport));
}

/** A poll by script cannot be called back; what it says after the close must find someone to say it to. */
function muteLastPoll(transport) {
  const id = transport?.poll?.poll?.id;
  if (transport?.transportName !== 'jsonp-polling' || !id) return;
  setTimeout(() => {
    window._jp[id] ??= () => delete window._jp[id];
  }, 0);
}

function tapOutgoing(transport, sent) {
  if (transport.ws) before(transport.ws, 'send', (_socket, text) => sent(text));
  else if (transport.sender) before(transport, 'sender', (_transport, _url, text) => sent(text));
  else if (transport.iframeObj) tapIframe(transport, sent);
}

/** The iframe says `s` when its client is loaded and answers only then: the moment to look inside. */
function tapIframe(transport, sent) {
  const onMessage = (event) => {
    if (!transport.iframeObj) {
      window.removeEventListener('message', onMessage);
      return;
    }
    const message = typeof event.data === 'string' ? parse(event.data) : undefined;
    if (message?.type !== 's' || message.windowId !== transport.windowId) return;
    window.removeEventListener('message', onMessage);
    try {
      const requests = event.source.XMLHttpRequest.prototype;
      const sending = new WeakSet();
      before(requests, 'open', (request, _method, url) => {
        if (/\/xhr_send\b/.test(url)) sending.add(request);
      });
      before(requests, 'send', (request, body) => {
        if (sending.has(request)) sent(body);
      });
    } catch {
      // Another origin: what is handed to the iframe is the best to be had.
      before(transport, 'send', (_transport, text) => sent(`[${text}]`));
    }
  };
  window.addEventListener('message', onMessage);
}

function before(object, name, look) {
  const original = object[name];
  if (typeof original !== 'function') return;
  object[name] = function (...args) {
    look(this, ...args);
    return original.apply(this, args);
  };
}

function after(object, name, look) {
  const original = object[name];
  if (typeof original !== 'function') return;
  object[name] = function (...args) {
    const result = original.apply(this, args);
    look(this, ...args);
    return result;
  };
}
