// The tests that every environment runs on every transport it has.

import assert from 'node:assert/strict';
import { test } from 'node:test';

const TIMEOUT = 120_000;

/** `SOCKJS_TRANSPORT=xhr-polling,websocket` picks transports; by default all of them. */
export function chosen(transports) {
  const wanted = process.env.SOCKJS_TRANSPORT?.split(',').filter(Boolean);
  return wanted?.length ? transports.filter((name) => wanted.includes(name)) : transports;
}

/**
 * `run(scenario, env)` runs a scenario in the environment; `origin()` is the SockJS server's. To be called inside a
 * `describe` with concurrency.
 */
export function defineTransportTests({ transports: all, run, origin }) {
  const transports = chosen(all);

  // First, because it waits for 25 seconds beside all others.
  test('idle sessions outlive a heartbeat', { concurrency: true }, async (t) => {
    const idle = (transport) => t.test(transport, { timeout: 90_000 }, () => run('idle', { transport }));
    await Promise.all(transports.map(idle));
  });

  for (const transport of transports) {
    const check = (behaviour, body) => test(`${transport}: ${behaviour}`, { timeout: TIMEOUT }, body);

    check('10,000 messages each way, receivers recycling', async () => {
      const count = 10_000;
      const inFlight = 200;
      const { receives } = await run('exchangeMany', { transport, count, inFlight });
      if (transport === 'websocket') return;
      // A frame has at most 200 messages: 50 polls at least. On a stream those are some 3.5 KiB, and a response ends
      // once it has reached 4 KiB: the 175 KiB of all messages take more than 20 responses.
      const least = transport.endsWith('polling') ? 50 : 20;
      assert.ok(receives >= least, `only ${receives} receive requests`);
    });

    check('echoes 1,000 mixed messages', async () => {
      await run('echoMixed', { transport });
    });

    check('replaces unpaired surrogates and keeps the rest', async () => {
      await run('echoUnpairedSurrogates', { transport });
    });

    check('hears of the close of the server', async () => {
      await run('serverCloses', { transport });
    });

    check('gets what was sent before the close, then the close', async () => {
      await run('serverSendsThenCloses', { transport });
    });

    check('shares a broadcast with another transport', async () => {
      const otherTransport = transport === 'websocket' ? 'xhr-streaming' : 'websocket';
      await run('broadcast', { transport, otherTransport });
    });

    check('reconnects again and again', async () => {
      await run('reconnect', { transport });
    });

    check('closes by itself', async () => {
      const { value: session } = await run('clientCloses', { transport });
      if (isStream(transport)) await expectClientGone(`${origin()}/echo/000/${session}/xhr`);
    });

    check('opens within the time that the client allows', async () => {
      await run('opensInTime', { transport });
    });
  }

  test('chooses websocket where the server has it', { timeout: TIMEOUT }, async () => {
    const { value } = await run('echoOnce', { service: '/echo' });
    assert.equal(value, 'websocket');
  });

  test('falls back by itself where the server has no websocket', { timeout: TIMEOUT }, async () => {
    const { value, paths } = await run('echoOnce', { service: '/disabled_websocket_echo' });
    assert.equal(value, 'xhr-streaming');
    assert.deepEqual(paths.filter((path) => path.endsWith('/websocket')), []);
  });

  for (const transport of chosen(['websocket', 'xhr-streaming', 'xhr-polling', 'eventsource'])) {
    test(`${transport}: echoes where cookies are needed`, { timeout: TIMEOUT }, async () => {
      await run('echoOnce', { service: '/cookie_needed_echo', transport });
    });
  }
}

// Only streams are attached for certain when the page closes its socket; a poll may not have been sent, and a jsonp poll
// cannot be taken back.
function isStream(transport) {
  return ['xhr-streaming', 'eventsource', 'htmlfile', 'iframe-eventsource', 'iframe-htmlfile'].includes(transport);
}

/** The server must notice that the client's stream has broken off, and say so to the next receiver. */
async function expectClientGone(url) {
  const deadline = Date.now() + 4000;
  let answer;
  do {
    const response = await fetch(url, { method: 'POST' });
    answer = await response.text();
  } while (answer === 'c[2010,"Another connection still open"]\n' && Date.now() < deadline);
  assert.equal(answer, 'c[1002,"Connection interrupted"]\n');
}
