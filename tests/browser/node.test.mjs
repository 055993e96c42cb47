// The client's Node build: no pages, no origins, and a WebSocket, XHR and EventSource of its own.

import { after, before, describe } from 'node:test';
import { startConformanceServer } from './lib/conformance-server.mjs';
import { runInNode } from './lib/node-client.mjs';
import { defineTransportTests } from './lib/suite.mjs';

// Through the packages faye-websocket and eventsource; frames and jsonp need a document.
const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

describe('Node', { concurrency: 8 }, () => {
  let server;
  before(async () => {
    server = await startConformanceServer('/sockjs.min.js');
  });
  after(() => server?.stop());

  const run = (scenario, env) => runInNode(scenario, { base: server.origin, ...env });
  defineTransportTests({ transports: TRANSPORTS, run, origin: () => server.origin });
});
