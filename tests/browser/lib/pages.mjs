// The page server: an origin of its own, that of a site which uses a SockJS server elsewhere.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

const PAGE = '<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/sockjs.min.js"></script>\n';

const file = (path, type) => ({ path: fileURLToPath(new URL(path, import.meta.url)), type });
const FILES = {
  '/sockjs.min.js': file('../node_modules/sockjs-client/dist/sockjs.min.js', 'application/javascript'),
  '/multiplex_client.js': file('../node_modules/websocket-multiplex/multiplex_client.js', 'application/javascript'),
  '/scenarios.mjs': file('scenarios.mjs', 'application/javascript; charset=utf-8'),
  '/messages.mjs': file('messages.mjs', 'application/javascript; charset=utf-8'),
  '/multiplexing.mjs': file('multiplexing.mjs', 'application/javascript; charset=utf-8'),
  '/peer.mjs': file('peer.mjs', 'application/javascript; charset=utf-8'),
};

const HTML = { 'Content-Type': 'text/html; charset=utf-8' };
const PAGES = {
  '/': HTML,
  // A sandbox without allow-same-origin gives the page the origin `null`.
  '/null-origin': { ...HTML, 'Content-Security-Policy': 'sandbox allow-scripts allow-forms' },
};

/** Listens on a free port; `origin` has another host name than the SockJS server, so that the two are different sites. */
export async function startPageServer() {
  const server = http.createServer(async ({ url }, response) => {
    try {
      const { pathname } = new URL(url, 'http://localhost');
      if (PAGES[pathname]) return response.writeHead(200, PAGES[pathname]).end(PAGE);
      if (!FILES[pathname]) return response.writeHead(404).end();
      const { path, type } = FILES[pathname];
      const body = await readFile(path);
      // Pages on the SockJS server's origin import the modules from here.
      response.writeHead(200, { 'Content-Type': type, 'Access-Control-Allow-Origin': '*' }).end(body);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://localhost:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
