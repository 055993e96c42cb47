// Runs one workload: rounds, in which its cells take turns, a fresh server for each.
'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const os = require('node:os');
const { join } = require('node:path');
const { createInterface } = require('node:readline');

const { median } = require('./median');

/** Processors of the server and of the generator. */
const SERVER = ['taskset', '-c', '0'];
const GENERATOR = ['taskset', '-c', '1'];
const GENERATOR_PATH = join(__dirname, '../../target/production/sockjs-bench');
/** A load that takes longer has failed, in milliseconds. */
const PATIENCE = 180_000;

/** Processes that must not outlive this one. */
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code));

function start(command, stdio) {
  const child = spawn(command[0], command.slice(1), { stdio });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/**
 * Figures of each cell: `{ value, values, low, high, server, generator }`, or `{ failed }`. `values` has each round's, and null
 * where that failed; `server` and `generator` are parts of a processor.
 */
async function measure(workload, servers, { rounds, pace }) {
  const seen = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const cell of workload.cells) {
      const server = servers.find(({ id }) => id === cell.server);
      if (!server) continue;
      const { reports, errors } = (seen[cell.key] ??= { reports: [], errors: [] });
      try {
        reports[round] = await sample(workload, cell, server, pace);
      } catch (error) {
        console.error(`${workload.id}, ${cell.key}: ${error.message}`);
        reports[round] = null;
        errors.push(error.message);
      }
    }
  }
  const cells = Object.entries(seen).map(([key, { reports, errors }]) => {
    // What fails in one round only is counted by the others.
    return [key, reports.some(Boolean) ? summary(workload, reports) : { failed: errors[0] }];
  });
  return { rounds, load: os.loadavg()[0], cells: Object.fromEntries(cells) };
}

function summary({ measure }, reports) {
  const seen = reports.filter(Boolean);
  const values = seen.map(measure.of);
  const share = (part) => median(seen.map((report) => report[part] / report.seconds));
  return {
    value: median(values),
    values: reports.map((report) => report && measure.of(report)),
    low: Math.min(...values),
    high: Math.max(...values),
    server: share('server_cpu_seconds'),
    generator: share('own_cpu_seconds'),
  };
}

/** One report of the generator. */
async function sample(workload, cell, server, pace) {
  const command = [...SERVER, ...server.start, ...(cell.lasting ? server.lasting : [])];
  const child = start(command, ['ignore', 'pipe', 'ignore']);
  const ended = once(child, 'exit');
  try {
    const url = await address(child);
    if (cell.before) await generate(url, server, cell.before, ['--seconds', '0']);
    const seconds = cell.load.startsWith('idle') || workload.id === 'latency' ? pace.idle : pace.seconds;
    const warmup = pace.warmup * (server.warmup ?? 1);
    const more = ['--server-pid', `${child.pid}`, '--warmup', `${warmup}`, '--seconds', `${seconds}`];
    return await generate(url, server, cell.load, more);
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

async function generate(url, server, load, more) {
  const [name, path, ...options] = load.split(' ');
  const all = [name, '--url', url + path, ...options, ...(server.dialect ?? []), ...more, '--json'];
  const child = start([...GENERATOR, GENERATOR_PATH, ...all], ['ignore', 'pipe', 'pipe']);
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

module.exports = { measure };
