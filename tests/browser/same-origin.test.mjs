// Chromium, the page on the SockJS server's own origin.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchChromium, runInChromium } from './lib/chromium.mjs';
import { startConformanceServer } from './lib/conformance-server.mjs';
import { startPageServer } from './lib/pages.mjs';
import { chosen, defineTransportTests } from './lib/suite.mjs';

const TRANSPORTS = [
  'websocket',
  'xhr-streaming',
  'eventsource',
  'iframe-eventsource',
  // Not only for Internet Explorer: without ActiveX the client uses a plain hidden frame, on the same origin only.
  'htmlfile',
  'iframe-htmlfile',
  'xhr-polling',
  'iframe-xhr-polling',
  'jsonp-polling',
];

describe('Chromium, same origin', { concurrency: 3 }, () => {
  let pages, server, browser;
  before(async () => {
    pages = await startPageServer();
    server = await startConformanceServer(`${pages.origin}/sockjs.min.js`);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    await pages?.stop();
  });

  const run = (scenario, env, options = {}) => {
    // The greeting is a page of the server itself: no proxy and no intercepted request between client and server.
    const place = { page: `${server.origin}/echo`, pages: pages.origin, ...options };
    return runInChromium(browser, place, scenario, { base: server.origin, ...env });
  };
  defineTransportTests({ transports: TRANSPORTS, run, origin: () => server.origin });

  for (const transport of chosen(['websocket', 'xhr-streaming', 'xhr-polling', 'eventsource', 'jsonp-polling'])) {
    test(`${transport}: the session cookie is set, and kept where there is one`, { timeout: 60_000 }, async () => {
      const use = (cookies) => run('echoOnce', { service: '/cookie_needed_echo', transport }, { cookies });
      const session = (cookies) => cookies.filter(({ name }) => name === 'JSESSIONID').map(({ value, path }) => [value, path]);
      const fresh = await use([]);
      assert.deepEqual(session(fresh.cookies), [['dummy', '/']]);
      const kept = await use([{ name: 'JSESSIONID', value: 'node-7.abc', url: server.origin }]);
      assert.deepEqual(session(kept.cookies), [['node-7.abc', '/']]);
    });
  }
});
