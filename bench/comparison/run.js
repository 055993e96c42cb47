// Runs commands, servers and the generator; none of them outlives this process.
'use strict';

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { createInterface } = require('node:readline');

/** Processors of the server and of the generator. */
const SERVER = ['taskset', '-c', '0'];
const GENERATOR = ['taskset', '-c', '1'];
const GENERATOR_PATH = join(__dirname, '../../target/production/sockjs-bench');
/** A load that takes longer has failed, in milliseconds. */
const PATIENCE = 180_000;

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code));

/** Runs a command to its end. */
function run(command, options, cwd, environment = {}) {
  execFileSync(command, options, { cwd, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...environment } });
}

function start(command, options) {
  const child = spawn(command[0], command.slice(1), options);
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/**
 * Starts a server for as long as `use` takes. That is given its address, the number of its process, and how to have it end in
 * order, so that it writes what it writes at its end: all others are killed.
 */
async function serve(command, use, environment = {}) {
  const options = { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, ...environment } };
  const child = start([...SERVER, ...command], options);
  const ended = once(child, 'exit');
  const end = async () => {
    child.stdin.end();
    const [code] = await ended;
    if (code !== 0) throw new Error('the server did not end in order');
  };
  try {
    return await use(await address(child), child.pid, end);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** The address that a server prints first. */
async function address(child) {
  const ended = once(child, 'exit').then(() => {
    throw new Error('the server did not start');
  });
  const said = once(createInterface({ input: child.stdout }), 'line').then(([line]) => line.split(' ').at(-1));
  // Its end is awaited by the caller too.
  ended.catch(() => {});
  return Promise.race([said, ended]);
}

/** Puts a load on a server, in the dialect that it speaks: what the generator reports. */
async function generate(url, dialect = [], load, more) {
  const [name, path, ...options] = load.split(' ');
  const all = [name, '--url', url + path, ...options, ...dialect, ...more, '--json'];
  const child = start([...GENERATOR, GENERATOR_PATH, ...all], { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  const output = ['', ''];
  [child.stdout, child.stderr].forEach((stream, index) => {
    stream.setEncoding('utf8').on('data', (text) => (output[index] += text));
  });
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  if (code !== 0) throw new Error(output[1].trim() || 'the load took too long');
  return JSON.parse(output[0]);
}

module.exports = { run, serve, generate };
