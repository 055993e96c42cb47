// Scenarios with the client's Node build, in this very process.

import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import SockJS from 'sockjs-client';
import * as scenarios from './scenarios.mjs';

const requested = [];
const refused = [];
subscribe('http.client.request.start', ({ request }) => requested.push(request.path));
subscribe('http.client.response.finish', ({ request, response }) => {
  if (![200, 204].includes(response.statusCode)) refused.push(`${response.statusCode} for ${request.method} ${request.path}`);
});

/** Runs a scenario; returns its value, the number of receive requests, and all paths asked for within its sessions. */
export async function runInNode(scenario, env) {
  // Scenarios run side by side; the session id in the path tells whose request it is.
  const ids = new Set();
  const sockets = [];
  const RecordedSockJS = function (url, protocols, options) {
    ids.add(options.sessionId());
    const sock = new SockJS(url, protocols, options);
    sockets.push(sock);
    return sock;
  };
  let value;
  try {
    value = await scenarios[scenario]({ ...env, SockJS: RecordedSockJS });
  } finally {
    // What a failed scenario leaves open would keep the process alive.
    for (const sock of sockets) sock.close();
  }
  assert.deepEqual(refused, []);
  const paths = requested.filter((path) => ids.has(path.split('/')[3]));
  return { value, receives: paths.filter((path) => /\/(xhr|xhr_streaming|eventsource)$/.test(path)).length, paths };
}
