// What is measured, how it is installed below the cache directory, and how it is started.
'use strict';

const { createHash } = require('node:crypto');
const { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const { train } = require('./measure');
const { build, buildGuided } = require('./programs');
const { run } = require('./run');
const { workloads } = require('./workloads');

/** How long sessions without a client are kept where they are what is measured, in seconds. */
const LASTING = ['--disconnect-delay', '600'];

/**
 * `package`: what brings it, and for those in Rust `program`, by which name; `command`: how it is started, given where it is.
 * `lasting`: arguments for a server whose abandoned sessions stay. `dialect`: what the generator must be told to speak.
 * `warmup`: times as long as for others, where code is compiled as it runs.
 */
const servers = [
  { id: 'tokio', title: 'sockjs-rs on tokio', package: 'ours', program: 'bench-server', command: (at) => [at],
    lasting: [...LASTING, '--sessions', '200000'] },
  { id: 'async-std', title: 'sockjs-rs on async-std', package: 'ours', program: 'bench-server',
    lasting: [...LASTING, '--sessions', '200000'], command: (at) => [at, '--runtime', 'async-std'] },
  { id: 'node', title: 'sockjs 0.3.24 on Node', package: 'node', lasting: LASTING, warmup: 8,
    command: (at) => ['node', join(at, 'server.js')] },
  { id: 'tornado', title: 'sockjs-tornado 1.0.7', package: 'tornado', lasting: LASTING,
    command: (at) => [join(at, 'bin/python'), '-B', join(at, 'server.py')] },
  { id: 'go', title: 'sockjs-go 3', package: 'go', lasting: LASTING, command: (at) => [join(at, 'sockjs-go')] },
  { id: 'engineioxide', title: 'engineioxide 0.17', package: 'rust', program: 'engineioxide',
    command: (at) => [at], dialect: ['--dialect', 'engineio'] },
  { id: 'bare', title: 'bare WebSocket echo on tokio', package: 'rust', program: 'bare-tokio', command: (at) => [at],
    dialect: ['--dialect', 'plain'] },
  { id: 'bare-async-std', title: 'bare WebSocket echo on async-std', package: 'rust', program: 'bare-async-std',
    command: (at) => [at], dialect: ['--dialect', 'plain'] },
  { id: 'bare-hyper', title: 'bare POST on hyper', package: 'rust', program: 'bare-hyper', command: (at) => [at],
    dialect: ['--dialect', 'plain', '--transport', 'post'] },
  { id: 'bare-sockjs', title: 'bare SockJS echo over HTTP on hyper', package: 'rust', program: 'bare-sockjs',
    command: (at) => [at] },
];

const packages = {
  node(directory) {
    run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], directory);
  },
  tornado(directory) {
    run('python3', ['-m', 'venv', '.'], directory);
    run('bin/pip', ['install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'], directory);
  },
  go(directory) {
    const brings = ['golang-go', 'golang-github-igm-sockjs-go-dev'];
    const sources = '/usr/share/gocode';
    if (!existsSync(join(sources, 'src/github.com/igm/sockjs-go'))) {
      run('apt-get', ['update', '-qq'], directory);
      run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...brings], directory);
    }
    const environment = { GO111MODULE: 'off', GOPATH: sources, GOCACHE: join(directory, 'cache') };
    run('go', ['build', '-o', 'sockjs-go', 'server.go'], directory, environment);
  },
};

/**
 * Installs these servers. Returns those that can be started, each with `start`, its command. Those in Rust are built by a
 * profile of their use if they `areGuided`.
 */
async function install(wanted, root, cache, areGuided) {
  // The generator is in ours.
  build(root, ['-p', 'sockjs-bench'], join(root, 'target'), 'sockjs-bench');
  const places = new Map();
  const ready = [];
  for (const server of wanted) {
    const name = server.program ?? server.package;
    try {
      if (!places.has(name)) places.set(name, await bring(server, root, cache, areGuided));
      ready.push({ ...server, start: server.command(places.get(name)) });
    } catch (error) {
      // Without ours there is nothing to compare; and who interrupts a build wants no other one.
      if (server.package === 'ours' || error.signal) throw error;
      console.error(`left out: ${server.id}, which could not be installed: ${error.message}`);
    }
  }
  return ready;
}

/** Installs what a server needs: where it is. */
async function bring(server, root, cache, areGuided) {
  if (server.program) return program(server.program, root, cache, areGuided);
  const source = join(root, 'bench/peers', server.package);
  const directory = join(cache, server.package);
  const stamp = join(directory, 'installed');
  const is = fingerprint(source);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === is) return directory;
  mkdirSync(directory, { recursive: true });
  cpSync(source, directory, { recursive: true });
  packages[server.package](directory);
  writeFileSync(stamp, is);
  return directory;
}

/** Builds a program, which all servers that are started by it then are. Cargo sees by itself what has changed. */
async function program(name, root, cache, areGuided) {
  const users = servers.filter((server) => server.program === name);
  const isOurs = users[0].package === 'ours';
  const source = isOurs ? root : join(root, 'bench/peers/rust');
  const options = isOurs ? ['-p', 'sockjs-bench'] : [];
  if (!areGuided) return build(source, options, isOurs ? join(root, 'target') : join(cache, 'rust'), name);
  return buildGuided(source, options, join(cache, 'guided', name), name, async (path, environment) => {
    for (const user of users) await train(workloads, { ...user, start: user.command(path) }, environment);
  });
}

function fingerprint(directory) {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory).sort()) hash.update(name).update(readFileSync(join(directory, name)));
  return hash.digest('hex');
}

module.exports = { servers, install };
