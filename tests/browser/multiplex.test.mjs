// The npm client of websocket-multiplex in Chromium, over sockjs-client.

import { after, before, describe, test } from 'node:test';
import { launchChromium, runInChromium } from './lib/chromium.mjs';
import { startConformanceServer } from './lib/conformance-server.mjs';
import { startPageServer } from './lib/pages.mjs';
import { chosen } from './lib/suite.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling', 'jsonp-polling'];

describe('websocket-multiplex', { concurrency: 3 }, () => {
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

  for (const transport of chosen(TRANSPORTS)) {
    test(`${transport}: channels`, { timeout: 60_000 }, async () => {
      const place = { page: `${server.origin}/echo`, pages: pages.origin, scripts: ['/multiplex_client.js'] };
      await runInChromium(browser, place, 'multiplex', { base: server.origin, transport });
    });
  }
});
