// What a client of the npm package websocket-multiplex does with the service /multiplex. This file runs in pages.

import { show } from './peer.mjs';

const ODD_TOPIC = 'a,b%20 ä€😀\u2028';

/** A channel whose events are awaited; its end is `null`. */
class ChannelPeer {
  #events = [];
  #waiting = null;

  constructor(multiplexer, topic) {
    this.topic = topic;
    this.channel = multiplexer.channel(topic);
    this.channel.onmessage = ({ data }) => this.#put(data);
    this.channel.onclose = () => this.#put(null);
  }

  #put(event) {
    this.#events.push(event);
    this.#waiting?.();
  }

  async expect(...expected) {
    for (const event of expected) {
      while (this.#events.length === 0) await new Promise((resolve) => (this.#waiting = resolve));
      const received = this.#events.shift();
      if (received !== event) throw new Error(`${show(this.topic)}: expected ${show(event)}, received ${show(received)}`);
    }
  }

  expectNothing() {
    if (this.#events.length > 0) throw new Error(`${show(this.topic)}: unexpected ${show(this.#events[0])}`);
  }
}

export async function multiplex({ SockJS, base, transport }) {
  const sock = new SockJS(`${base}/multiplex`, null, { transports: [transport], timeout: 15_000 });
  const multiplexer = new globalThis.WebSocketMultiplex(sock);
  const open = (topic) => new ChannelPeer(multiplexer, topic);

  // Before the socket is open.
  const [echo, odd, unknown] = [open('echo'), open(ODD_TOPIC), open('nobody')];
  await Promise.all([echo.expect('ready'), odd.expect('ready')]);

  // Two channels, and messages that look like the wire format.
  unknown.channel.send('is anybody there?');
  const payloads = (name) => Array.from({ length: 50 }, (_, n) => `${name},${n},%2C,€😀\u2028,`).concat('', ',', 'uns,echo');
  const [toEcho, toOdd] = [payloads('echo'), payloads('odd')];
  for (const [n, payload] of toEcho.entries()) {
    echo.channel.send(payload);
    odd.channel.send(toOdd[n]);
  }
  await Promise.all([echo.expect(...toEcho), odd.expect(...toOdd)]);

  // A second subscription is ignored: no second greeting.
  sock.send('sub,echo');
  echo.channel.send('once');
  await echo.expect('once');
  echo.expectNothing();

  // The server ends a channel, and the client comes back.
  for (let i = 0; i < 2; i++) await open('greeting').expect('hello', 'a,b,,c', null);

  // The client ends one; the server has understood if it greets again.
  echo.channel.close();
  await echo.expect(null);
  const again = open('echo');
  await again.expect('ready');
  again.channel.send('still here');
  await again.expect('still here');

  for (const channel of [echo, odd, unknown, again]) channel.expectNothing();
  sock.close();
}
