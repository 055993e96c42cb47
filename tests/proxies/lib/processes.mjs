// Nodes and proxies as child processes, which end by their pid.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { configuration } from './configurations.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const server = process.env.SOCKJS_SERVER ?? join(root, 'target/release/conformance-server');
// Where Debian has them, and only root looks.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** A node: a conformance server. */
export async function startNode(name, ...options) {
  const child = spawn(server, ['--listen', '127.0.0.1:0', '--node', name, '--drain', '100ms', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { address: line.replace('listening on http://', ''), stop: () => stop(child) };
}

/** A proxy in front of the nodes with these addresses: `nginx` or `haproxy`, sticking by `path`, `cookie` or `node`. */
export async function startProxy(kind, sticky, [first, second], timeout = '60s') {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'sockjs-proxy-'));
  const nodes = { '10.0.0.1:8081': first, '10.0.0.2:8081': second, '/chat': '/broadcast' };
  const child = { nginx, haproxy }[kind](directory, sticky, nodes, port, timeout);
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  const url = `http://127.0.0.1:${port}`;
  const proxy = {
    url,
    async stop() {
      await stop(child);
      rmSync(directory, { recursive: true });
    },
  };
  while (!(await accepts(port))) {
    if (child.exitCode !== null) {
      await proxy.stop();
      throw new Error(`${kind} by ${sticky} did not start:\n${said}`);
    }
    await sleep(10);
  }
  return proxy;
}

function nginx(directory, sticky, nodes, port, timeout) {
  writeFileSync(join(directory, 'sockjs.conf'), configuration('file: sockjs.conf', { '60s': timeout }));
  const site = configuration(`nginx by ${sticky}`, { ...nodes, 'listen 80': `listen 127.0.0.1:${port}` });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`);
  const main = `daemon off; pid nginx.pid; error_log stderr; ${process.getuid() === 0 ? 'user root;' : ''}
events {}
http {
access_log off;
${temporary.join('\n')}
${site}
}
`;
  writeFileSync(join(directory, 'nginx.conf'), main);
  const file = join(directory, 'nginx.conf');
  return spawn('nginx', ['-p', directory, '-e', 'stderr', '-c', file], { env, stdio: ['ignore', 'ignore', 'pipe'] });
}

function haproxy(directory, sticky, nodes, port, timeout) {
  // Without `/chat` where all paths are treated alike.
  const { '/chat': prefix, ...addresses } = nodes;
  const replacements = sticky === 'path' ? nodes : addresses;
  const [defaults, site] = ['defaults.cfg', 'site.cfg'].map((name) => join(directory, name));
  writeFileSync(defaults, configuration('file: defaults.cfg', { '60s': timeout }));
  writeFileSync(site, configuration(`haproxy by ${sticky}`, { ...replacements, 'bind :80': `bind 127.0.0.1:${port}` }));
  return spawn('haproxy', ['-db', '-f', defaults, '-f', site], { env, stdio: ['ignore', 'ignore', 'pipe'] });
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.unref().on('connect', () => socket.destroy());
  });
}
