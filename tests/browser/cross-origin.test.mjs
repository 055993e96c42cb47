// Chromium, the page on another site than the SockJS server: other host name, other port.

import { after, before, describe, test } from 'node:test';
import { launchChromium, runInChromium } from './lib/chromium.mjs';
import { startConformanceServer } from './lib/conformance-server.mjs';
import { startPageServer } from './lib/pages.mjs';
import { chosen, defineTransportTests } from './lib/suite.mjs';

// htmlfile itself is for the same origin only; across origins the client has iframe-htmlfile.
const TRANSPORTS = [
  'websocket',
  'xhr-streaming',
  'eventsource',
  'iframe-eventsource',
  'iframe-htmlfile',
  'xhr-polling',
  'iframe-xhr-polling',
  'jsonp-polling',
];

// What the client still has in a sandboxed page, whose origin is `null`.
const NULL_ORIGIN_TRANSPORTS = ['websocket', 'eventsource', 'jsonp-polling'];

describe('Chromium, cross origin', { concurrency: 3 }, () => {
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

  const runAt = (path) => (scenario, env) =>
    runInChromium(browser, { page: pages.origin + path, pages: pages.origin }, scenario, { base: server.origin, ...env });
  defineTransportTests({ transports: TRANSPORTS, run: runAt('/'), origin: () => server.origin });

  for (const transport of chosen(NULL_ORIGIN_TRANSPORTS)) {
    test(`${transport}: works in a page whose origin is null`, { timeout: 60_000 }, async () => {
      await runAt('/null-origin')('serverSendsThenCloses', { transport });
      await runAt('/null-origin')('echoMixed', { transport });
    });
  }
});
