// The configurations in docs/deploy.md, before two nodes: `node --test tests/proxies`. Needs nginx and haproxy.
import assert from 'node:assert/strict';
import { Agent, createServer, get } from 'node:http';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { startNode, startProxy } from './lib/processes.mjs';
import { STREAMING, Session, TRANSPORTS, WEBSOCKETS } from './lib/session.mjs';
import { WebSocket } from './lib/websocket.mjs';

const SESSIONS_A_TRANSPORT = 4;
/** The nodes send a heartbeat several times in the proxies' time-out, which is short here. */
const HEARTBEAT = '500ms';
const TIMEOUT_SECONDS = 4;
/** Streams go on, whatever others say meanwhile. */
const RESPONSE_LIMIT = 1 << 24;

/** The nodes, each with a watcher that hears all that is said on it. */
const nodes = [];
const heard = new Map();

before(async () => {
  for (const name of ['node1', 'node2']) {
    const node = await startNode(name, '--heartbeat', HEARTBEAT, '--response-limit', String(RESPONSE_LIMIT));
    const watcher = await WebSocket.open(`http://${node.address}/broadcast/websocket`);
    nodes.push({ ...node, name, watcher, hearing: hear(name, watcher) });
  }
});

after(async () => {
  for (const { watcher, hearing, stop } of nodes) {
    watcher.close();
    await hearing;
    await stop();
  }
});

async function hear(name, watcher) {
  try {
    for await (const text of watcher.messages()) heard.get(text)?.(name);
  } catch (error) {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

/** Receives a message, after whatever other sessions of the node say. */
async function until(session, text) {
  while ((await session.receive()) !== text);
}

/** Sends a message that comes back, and returns the node that the session is on. */
async function exchange(session, text) {
  const node = new Promise((resolve) => heard.set(text, resolve));
  await session.send(text);
  await until(session, text);
  return node;
}

/** Where a client goes on, as `info` tells it. */
async function baseUrl(service) {
  const [response] = await once(get(`${service}/info`), 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return JSON.parse(body).base_url;
}

describe('a proxy configured as in docs/deploy.md', { concurrency: true }, () => {
  for (const kind of ['nginx', 'haproxy']) {
    for (const sticky of ['path', 'cookie', 'node']) {
      it(`${kind} sticks by ${sticky}, on every transport`, () => exchangeOnAll(kind, sticky));
    }
    it(`${kind} lets idle receivers live`, () => idle(kind));
    it(`${kind} tells the host and the client as they are`, () => tell(kind));
  }
});

async function exchangeOnAll(kind, sticky) {
  const proxy = await startProxy(kind, sticky, nodes.map((node) => node.address));
  const agent = new Agent({ keepAlive: true });
  const reached = new Set();
  try {
    for (const transport of TRANSPORTS) {
      for (let count = 0; count < SESSIONS_A_TRANSPORT; count += 1) {
        const service = sticky === 'node' ? await baseUrl(`${proxy.url}/broadcast`) : `${proxy.url}/broadcast`;
        const session = await Session.open(transport, service, agent);
        const label = `${kind} ${sticky} ${transport} ${count}`;
        const node = await exchange(session, `${label} first`);
        assert.equal(await exchange(session, `${label} second`), node);
        if (STREAMING.includes(transport)) assert.ok(session.isStreaming(), `${transport} came in one open response`);
        if (sticky === 'node') assert.ok(service.endsWith(`/${node}/broadcast`), `${service} leads to ${node}`);
        session.close();
        reached.add(node);
      }
    }
  } finally {
    agent.destroy();
    await proxy.stop();
  }
  assert.deepEqual([...reached].sort(), ['node1', 'node2']);
}

async function idle(kind) {
  const proxy = await startProxy(kind, 'path', nodes.map((node) => node.address), `${TIMEOUT_SECONDS}s`);
  const agent = new Agent({ keepAlive: true });
  try {
    const transports = [...WEBSOCKETS, ...STREAMING];
    const open = (transport) => Session.open(transport, `${proxy.url}/broadcast`, agent);
    const sessions = await Promise.all(transports.map(open));
    await sleep(1.25 * TIMEOUT_SECONDS * 1000);
    const texts = transports.map((transport) => `${kind} idle ${transport}`);
    for (const [index, session] of sessions.entries()) {
      await session.send(texts[index]);
      await until(session, texts[index]);
      if (STREAMING.includes(transports[index])) assert.ok(session.isStreaming(), 'in the response of the beginning');
      session.close();
    }
  } finally {
    agent.destroy();
    await proxy.stop();
  }
}

async function tell(kind) {
  const mirror = createServer((request, response) => response.end(JSON.stringify(request.headers)));
  await once(mirror.listen(0, '127.0.0.1').unref(), 'listening');
  const address = `127.0.0.1:${mirror.address().port}`;
  const proxy = await startProxy(kind, 'path', [address, address]);
  try {
    const headers = { 'X-Forwarded-For': '6.6.6.6', Forwarded: 'for=6.6.6.6' };
    const [response] = await once(get(`${proxy.url}/broadcast/info`, { headers, agent: false }), 'response');
    let body = '';
    for await (const chunk of response) body += chunk;
    const seen = JSON.parse(body);
    assert.equal(seen['x-forwarded-for'], '127.0.0.1');
    assert.equal(seen.forwarded, undefined);
    assert.equal(seen.host, new URL(proxy.url).host);
  } finally {
    await proxy.stop();
    mirror.closeAllConnections();
  }
}
