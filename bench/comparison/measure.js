// Runs one workload: rounds, in which its cells take turns, a fresh server for each.
'use strict';

const os = require('node:os');

const { median } = require('./median');
const { generate, serve } = require('./run');

/**
 * Figures of each cell: `{ value, values, low, high, server, generator, kernels }`, or `{ failed }`. `values` and `kernels`, the
 * kernel's part of the server's processor time, have each round's, and null where that failed; `server` and `generator` are
 * parts of a processor.
 */
async function measure(workload, servers, { rounds, pace }) {
  const present = workload.cells.filter((cell) => servers.some(({ id }) => id === cell.server));
  const seen = Object.fromEntries(present.map(({ key }) => [key, { reports: [], errors: [] }]));
  for (let round = 0; round < rounds; round += 1) {
    for (const cell of shuffled(present)) {
      const server = servers.find(({ id }) => id === cell.server);
      const { reports, errors } = seen[cell.key];
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

/** So that none always comes after the same other one. */
function shuffled(cells) {
  const drawn = cells.map((cell) => [Math.random(), cell]);
  return drawn.sort(([a], [b]) => a - b).map(([, cell]) => cell);
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
    kernels: reports.map((report) => report && report.server_kernel),
  };
}

/** One report of the generator. */
function sample(workload, cell, server, pace) {
  return serve([...server.start, ...(cell.lasting ? server.lasting : [])], async (url, pid) => {
    if (cell.before) await generate(url, server.dialect, cell.before, ['--seconds', '0']);
    const seconds = cell.load.startsWith('idle') || workload.id === 'latency' ? pace.idle : pace.seconds;
    const warmup = pace.warmup * (server.warmup ?? 1);
    return generate(url, server.dialect, cell.load, ['--server-pid', `${pid}`, '--warmup', `${warmup}`, '--seconds', `${seconds}`]);
  });
}

/** Has a server used by the loads that it is measured with, a second each, so that it writes a profile of that use. */
async function train(workloads, server, environment) {
  for (const { cells } of workloads.filter(({ isRate }) => isRate)) {
    for (const { load } of cells.filter((cell) => cell.server === server.id)) {
      const use = async (url, pid, end) => {
        await generate(url, server.dialect, load, ['--server-pid', `${pid}`, '--warmup', '0', '--seconds', '1']);
        await end();
      };
      await serve([...server.start, '--end-with-input'], use, environment);
    }
  }
}

module.exports = { measure, train };
