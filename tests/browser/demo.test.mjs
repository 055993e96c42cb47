// The demo's pages in Chromium: the chat, and the statistics of it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchChromium, watch } from './lib/chromium.mjs';
import { demo, startServer } from './lib/server.mjs';

const { SOCKJS_RUNTIME = 'tokio', SOCKJS_URL } = process.env;
const skip = (SOCKJS_RUNTIME !== 'tokio' || SOCKJS_URL) && 'the demo runs on tokio, by itself';

describe('demo', { skip }, () => {
  let server, browser;
  before(async () => {
    server = await startServer(demo(), []);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** Runs with a way to open pages, in a browser of their own each, that must be without faults. */
  async function inPages(run) {
    const contexts = [];
    const open = async (path) => {
      const context = await browser.newContext();
      contexts.push({ context, watched: watch(context) });
      const page = await context.newPage();
      await page.goto(server.origin + path);
      return page;
    };
    try {
      await run(open);
      assert.deepEqual(contexts.flatMap(({ watched }) => watched.faults), []);
    } finally {
      await Promise.all(contexts.map(({ context }) => context.close()));
    }
  }

  const state = (page, text) => page.locator('#state', { hasText: text }).waitFor();
  const say = async (page, text) => {
    await page.fill('#text', text);
    await page.click('.send');
  };

  test('chat: what is said is heard, here and elsewhere', { timeout: 60_000 }, () =>
    inPages(async (open) => {
      const [ann, bob] = await Promise.all([open('/?name=Ann'), open('/?name=Bob')]);
      await Promise.all([state(ann, 'Connected'), state(bob, 'Connected')]);
      await ann.locator('.person', { hasText: 'Bob' }).waitFor();
      await say(ann, 'hello <b>there</b>');
      await ann.locator('.said.own .body', { hasText: 'hello <b>there</b>' }).waitFor();
      await bob.locator('.said:not(.own) .body', { hasText: 'hello <b>there</b>' }).waitFor();
      await ann.locator('.frame', { hasText: 'hello' }).first().waitFor();
      assert.equal(await ann.textContent('#transport'), 'websocket');
    }));

  test('statistics: sessions come and go, and the charts move', { timeout: 60_000 }, () =>
    inPages(async (open) => {
      const stats = await open('/stats');
      await state(stats, 'Live');
      const chart = (id, text) => stats.locator(`#${id} svg[aria-label*="${text}"]`).waitFor();
      await chart('sessions', 'now: websocket 1');

      const chat = await open('/?name=Cyd');
      await state(chat, 'Connected');
      await chart('sessions', 'now: websocket 2');
      await say(chat, 'move');
      await stats.waitForFunction(() => {
        const [value] = document.querySelectorAll('#messages .legend strong');
        return Number(value?.textContent) > 0;
      });
      const line = () => stats.locator('#messages polyline').first().getAttribute('points');
      const before = await line();
      const hasMoved = (points) => document.querySelector('#messages polyline').getAttribute('points') !== points;
      await stats.waitForFunction(hasMoved, before);
      assert.match(await stats.textContent('#tile-flush'), /^(\d|–)/);

      await stats.focus('#messages svg');
      await stats.keyboard.press('ArrowLeft');
      assert.match(await stats.textContent('#messages .when'), /^[1-9]\d* s ago$/);

      await fetch(`${server.origin}/chat/000/unknown/xhr_send`, { method: 'POST', body: '[]' });
      await stats.locator('#refused tr', { hasText: 'unknown session' }).waitFor();
      await chat.close();
      await chart('sessions', 'now: websocket 1');
      await stats.locator('#closed tr', { hasText: 'client gone' }).waitFor();
    }));
});
