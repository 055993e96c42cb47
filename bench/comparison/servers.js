// What is measured, how it is installed below the cache directory, and how it is started.
'use strict';

const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

/** How long sessions without a client are kept where they are what is measured, in seconds. */
const LASTING = ['--disconnect-delay', '600'];

/**
 * `column`: of the table. `lasting`: arguments for a server whose abandoned sessions stay. `dialect`: what the generator
 * must be told to speak. `package`: what brings it. `warmup`: times as long as for others, where code is compiled as it runs.
 */
const servers = [
  { id: 'tokio', title: 'sockjs-rs on tokio', package: 'ours', command: (at) => [at.ours('bench-server')],
    lasting: [...LASTING, '--sessions', '200000'] },
  { id: 'async-std', title: 'sockjs-rs on async-std', package: 'ours', lasting: [...LASTING, '--sessions', '200000'],
    command: (at) => [at.ours('bench-server'), '--runtime', 'async-std'] },
  { id: 'node', title: 'sockjs 0.3.24 on Node', package: 'node', lasting: LASTING, warmup: 4,
    command: (at) => ['node', at.cache('node/server.js')] },
  { id: 'tornado', title: 'sockjs-tornado 1.0.7', package: 'tornado', lasting: LASTING,
    command: (at) => [at.cache('tornado/bin/python'), '-B', at.cache('tornado/server.py')] },
  { id: 'go', title: 'sockjs-go 3', package: 'go', lasting: LASTING, command: (at) => [at.cache('go/sockjs-go')] },
  { id: 'engineioxide', title: 'engineioxide 0.17', package: 'rust', dialect: ['--dialect', 'engineio'],
    command: (at) => [at.cache('rust/production/engineioxide')] },
  { id: 'bare', title: 'bare WebSocket echo on tokio', package: 'rust', dialect: ['--dialect', 'plain'],
    command: (at) => [at.cache('rust/production/bare-tokio')] },
  { id: 'bare-async-std', title: 'bare WebSocket echo on async-std', package: 'rust', dialect: ['--dialect', 'plain'],
    command: (at) => [at.cache('rust/production/bare-async-std')] },
  { id: 'bare-hyper', title: 'bare POST on hyper', package: 'rust', dialect: ['--dialect', 'plain', '--transport', 'post'],
    command: (at) => [at.cache('rust/production/bare-hyper')] },
  { id: 'bare-sockjs', title: 'bare SockJS echo over HTTP on hyper', package: 'rust',
    command: (at) => [at.cache('rust/production/bare-sockjs')] },
];

const packages = {
  ours: ({ root, run }) => run('cargo', ['build', '--profile', 'production', '--quiet', '--locked', '-p', 'sockjs-bench'], root),
  rust({ source, directory, run }) {
    run('cargo', ['build', '--profile', 'production', '--quiet', '--locked', '--target-dir', directory], source);
  },
  node({ directory, run }) {
    run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], directory);
  },
  tornado({ directory, run }) {
    run('python3', ['-m', 'venv', '.'], directory);
    run('bin/pip', ['install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'], directory);
  },
  go({ directory, run }) {
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

/** Cargo sees by itself what has changed; the others are installed anew when their sources differ. */
const CARGO = ['ours', 'rust'];

function run(command, options, cwd, environment = {}) {
  execFileSync(command, options, { cwd, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...environment } });
}

/** Installs what these servers need. Returns those that can be started, each with `start`, its command. */
function install(wanted, root, cache) {
  const at = { ours: (name) => join(root, 'target/production', name), cache: (path) => join(cache, path) };
  // The generator is in ours.
  const broken = new Set();
  for (const name of new Set(['ours', ...wanted.map((server) => server.package)])) {
    try {
      bring(name, root, cache);
    } catch (error) {
      if (name === 'ours') throw error;
      console.error(`left out: ${name}, which could not be installed: ${error.message}`);
      broken.add(name);
    }
  }
  return wanted
    .filter((server) => !broken.has(server.package))
    .map((server) => ({ ...server, start: server.command(at) }));
}

function bring(name, root, cache) {
  const source = join(root, 'bench/peers', name);
  const directory = join(cache, name);
  if (CARGO.includes(name)) return packages[name]({ root, source, directory, run });
  const stamp = join(directory, 'installed');
  const is = fingerprint(source);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === is) return undefined;
  mkdirSync(directory, { recursive: true });
  cpSync(source, directory, { recursive: true });
  packages[name]({ directory, run });
  return writeFileSync(stamp, is);
}

function fingerprint(directory) {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory).sort()) hash.update(name).update(readFileSync(join(directory, name)));
  return hash.digest('hex');
}

module.exports = { servers, install };
