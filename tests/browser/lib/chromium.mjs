// Scenarios in headless Chromium: a fresh browser context each, and everything that goes wrong in it fails the test.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

// The browser's own idea, at some moment of its choosing; the SockJS server has none.
const isFavicon = (url) => URL.canParse(url) && new URL(url).pathname === '/favicon.ico';

// When a socket is closed while its next htmlfile page loads, the client has removed the callback that the page calls at
// first; the page's text is the protocol's.
const isOrphanOfHtmlfile = (error) => /^Cannot read properties of undefined \(reading '(start|message)'\)$/.test(error.message);

const RECEIVE = /\/(xhr|xhr_streaming|eventsource|htmlfile|jsonp)(\?|$)/;

export function launchChromium() {
  // Playwright gives every launch a user data directory of its own.
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** Notes whatever a user would find in the developer tools, and which requests the page made. */
export function watch(context) {
  const faults = [];
  const receives = [];
  const paths = [];
  const { promise: failed, reject } = Promise.withResolvers?.() ?? withResolvers();
  failed.catch(() => {});
  const fault = (text) => {
    faults.push(text);
    reject(new Error(text));
  };
  // Covers rejected promises that nobody handles as well.
  context.on('weberror', (event) => {
    if (!isOrphanOfHtmlfile(event.error())) fault(`page error: ${event.error().message}`);
  });
  context.on('console', (message) => {
    if (message.type() === 'error' && !isFavicon(message.location().url)) fault(`console error: ${message.text()} (${message.location().url})`);
  });
  context.on('request', (request) => {
    paths.push(new URL(request.url()).pathname);
    if (RECEIVE.test(request.url())) receives.push(request.url());
  });
  context.on('response', (response) => {
    if (![200, 204, 304].includes(response.status()) && !isFavicon(response.url())) fault(`${response.status()} for ${response.request().method()} ${response.url()}`);
  });
  context.on('requestfailed', (request) => {
    // Aborted is what the page itself ended, by closing a socket.
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') fault(`${errorText} for ${request.method()} ${request.url()}`);
  });
  return { faults, receives, paths, failed };
}

function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

/**
 * Runs a scenario in a page. `page` is the page's URL, `pages` the page server's origin, `cookies` are set beforehand,
 * `scripts` of the page server are loaded into the page.
 * Returns the scenario's value, the number of receive requests, all paths asked for, and the cookies afterwards.
 */
export async function runInChromium(browser, { page: url, pages, cookies = [], scripts = [] }, scenario, env) {
  const context = await browser.newContext();
  try {
    await context.addCookies(cookies);
    const watched = watch(context);
    const page = await context.newPage();
    await page.goto(url);
    if (!url.startsWith(pages)) await page.addScriptTag({ url: `${pages}/sockjs.min.js` });
    for (const script of scripts) await page.addScriptTag({ url: pages + script });
    const run = page.evaluate(
      async ([module, name, given]) => {
        const scenarios = await import(module);
        return scenarios[name]({ ...given, SockJS: globalThis.SockJS });
      },
      [`${pages}/scenarios.mjs`, scenario, env],
    );
    run.catch(() => {});
    const value = await Promise.race([run, watched.failed]);
    const cookiesAfter = await context.cookies();
    assert.deepEqual(watched.faults, []);
    return { value, receives: watched.receives.length, paths: watched.paths, cookies: cookiesAfter };
  } finally {
    await context.close();
  }
}
