// What a client does with the conformance server. This file runs in pages as well as under Node: each scenario gets
// `{ SockJS, base, transport, … }`, throws when the server is wrong, and returns what the test still has to look at.

import { mixedMessages, UNPAIRED_SURROGATES } from './messages.mjs';
import { Peer, show } from './peer.mjs';

export { multiplex } from './multiplexing.mjs';

/** 1,000 messages of every kind come back as they are, in order, and nothing after them. */
export async function echoMixed(env) {
  const peer = await Peer.open(env, '/echo');
  const messages = mixedMessages(1000);
  for (const message of messages) peer.send(message);
  for (const [index, message] of messages.entries()) {
    const received = await peer.next();
    if (received !== message) throw new Error(`message ${index}: sent ${show(message)}, received ${show(received)}`);
  }
  peer.send('last');
  await peer.expect('last');
  await peer.close();
}

export async function echoUnpairedSurrogates(env) {
  const peer = await Peer.open(env, '/echo');
  for (const [sent] of UNPAIRED_SURROGATES) peer.send(sent);
  for (const [, expected] of UNPAIRED_SURROGATES) await peer.expect(expected);
  await peer.close();
}

export async function serverCloses(env) {
  const peer = await Peer.open(env, '/close');
  await peer.expectClose(3000, 'Go away!');
}

/** What was sent before the close arrives before the close. */
export async function serverSendsThenCloses(env) {
  const peer = await Peer.open(env, '/send_then_close');
  peer.send('go');
  for (const message of ['a', 'b', 'c']) await peer.expect(message);
  await peer.expectClose(4001, 'done');
}

/** Two sockets on different transports see each other's messages, both in the same order. */
export async function broadcast(env) {
  const tag = Math.random().toString(36).slice(2);
  const nextOfOurs = async (peer) => {
    for (;;) {
      const message = await peer.next();
      if (message.startsWith(tag)) return message;
    }
  };
  const join = async (name, transport) => {
    const peer = await Peer.open(env, '/broadcast', { transport });
    // A socket is open before the application has it in its group; its own message says that it is.
    const hello = `${tag} hello ${name}`;
    peer.send(hello);
    while ((await nextOfOurs(peer)) !== hello);
    return peer;
  };
  const one = await join('one', env.transport);
  const two = await join('two', env.otherTransport);
  const total = 200;
  for (let i = 0; i < total / 2; i++) {
    one.send(`${tag} from one ${i}`);
    two.send(`${tag} from two ${i}`);
  }
  const collect = async (peer) => {
    const seen = [];
    while (seen.length < total) {
      const message = await nextOfOurs(peer);
      if (!message.includes('hello')) seen.push(message);
    }
    return seen;
  };
  const [seenByOne, seenByTwo] = await Promise.all([collect(one), collect(two)]);
  for (const name of ['one', 'two']) {
    const numbers = seenByOne.filter((m) => m.includes(` ${name} `)).map((m) => Number(m.split(' ').at(-1)));
    if (numbers.length !== total / 2 || numbers.some((n, i) => n !== i)) throw new Error(`from ${name}: ${numbers}`);
  }
  if (seenByOne.join() !== seenByTwo.join()) throw new Error('the two sockets saw different orders');
  await Promise.all([one.close(), two.close()]);
}

/** A page may come back at once and as often as it likes, whoever closed. */
export async function reconnect(env) {
  // A page cannot take a jsonp poll back: the poll of a socket that the page closed waits on, and a browser has no more
  // than six connections to a host.
  const ownCloses = env.transport === 'jsonp-polling' ? 3 : 10;
  for (let i = 0; i < 10; i++) {
    await serverCloses(env);
    await serverSendsThenCloses(env);
    if (i >= ownCloses) continue;
    const peer = await Peer.open(env, '/echo');
    peer.send(`round ${i}`);
    await peer.expect(`round ${i}`);
    await peer.close();
  }
}

/** The client's own close, with a code of its own; returns the session for a look at the server's side. */
export async function clientCloses(env) {
  const peer = await Peer.open(env, '/echo');
  peer.send('x');
  await peer.expect('x');
  await peer.close(3001, 'bye');
  return peer.sessionId;
}

/** One echo on any service, the client choosing the transport when none is asked for; returns the one in use. */
export async function echoOnce(env) {
  const peer = await Peer.open(env, env.service);
  const { transport } = peer;
  peer.send('%41 €');
  await peer.expect('%41 €');
  await peer.close();
  return transport;
}

/** Opens within the time that the client allows by itself. On a busy machine the client may be late, so it may try again. */
export async function opensInTime(env) {
  for (let attempt = 1; ; attempt++) {
    try {
      // The close comes from the server, so that no poll is left behind.
      const peer = await Peer.open(env, '/close', { patience: 0 });
      return await peer.expectClose(3000, 'Go away!');
    } catch (error) {
      if (attempt === 5 || !/closed with 2000/.test(error.message)) throw error;
    }
  }
}

/** Nothing to say for longer than the heartbeat delay, and the socket still works. */
export async function idle(env) {
  const peer = await Peer.open(env, '/echo');
  await peer.heartbeat();
  peer.send('still here');
  await peer.expect('still here');
  await peer.close();
}

/** `count` messages each way, no more than `inFlight` of them under way: many small batches, so receivers change all the time. */
export async function exchangeMany(env) {
  const peer = await Peer.open(env, '/echo');
  const text = (n) => `${n}:${(n * 2654435761) % 2 ** 32}`;
  let sent = 0;
  const sendNext = () => {
    if (sent < env.count) peer.send(text(sent++));
  };
  for (let i = 0; i < env.inFlight; i++) sendNext();
  for (let n = 0; n < env.count; n++) {
    const received = await peer.next();
    if (received !== text(n)) throw new Error(`expected message ${n}, ${text(n)}, received ${show(received)}`);
    sendNext();
  }
  peer.send('last');
  await peer.expect('last');
  await peer.close();
}
