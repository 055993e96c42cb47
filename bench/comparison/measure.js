// Runs one workload: rounds, each with fresh servers that take turns.
'use strict';

const os = require('node:os');

const { median } = require('./median');
const { generate, serve } = require('./run');

/**
 * Figures of each cell: `{ value, values, low, high, server, generator, kernels }`, or `{ failed }`. `values` and `kernels`, the
 * kernel's part of the server's processor time, have each turn's, and null where that failed; `server` and `generator` are
 * parts of a processor. There are `turns` in all.
 */
async function measure(workload, servers, { rounds, pace }) {
  const cells = workload.cells.flatMap((cell) => {
    const server = servers.find(({ id }) => id === cell.server);
    return server ? [{ ...cell, server, reports: [], errors: [] }] : [];
  });
  const takesTurns = ['turn', 'rated'].includes(workload.lasts);
  const turns = takesTurns ? pace.turns : 1;
  // What is compared within a turn runs all the while, so that turns can be short. Elsewhere each is alone.
  const groups = takesTurns ? [cells] : cells.map((cell) => [cell]);
  for (let round = 0; round < rounds; round += 1) {
    for (const group of groups) await takeTurns(workload, group, round * turns, turns, pace);
  }
  const seen = cells.map(({ key, reports, errors }) => {
    // What fails in one turn only is counted by the others.
    return [key, reports.some(Boolean) ? summary(workload, reports) : { failed: errors[0] }];
  });
  return { rounds, turns: rounds * turns, load: os.loadavg()[0], cells: Object.fromEntries(seen) };
}

/** Starts these cells' servers and measures each in each turn, as long as nothing is wrong with it. */
async function takeTurns(workload, cells, first, turns, pace) {
  const running = new Map();
  const attempt = async (cell, step) => {
    try {
      await step();
    } catch (error) {
      console.error(`${workload.id}, ${cell.key}: ${error.message}`);
      cell.errors.push(error.message);
      await running.get(cell)?.kill();
      running.delete(cell);
    }
  };
  try {
    for (const cell of cells) {
      cell.reports.push(...Array(turns).fill(null));
      await attempt(cell, async () => running.set(cell, await begin(cell)));
    }
    for (let turn = 0; turn < turns; turn += 1) {
      for (const cell of [...running.keys()]) {
        await attempt(cell, async () => {
          cell.reports[first + turn] = await sample(workload, cell, running.get(cell), turn === 0, pace);
        });
      }
    }
  } finally {
    await Promise.all([...running.values()].map((server) => server.kill()));
  }
}

/** Starts a cell's server, as the cell wants it. */
async function begin({ server, lasting, before }) {
  const running = await serve([...server.start, ...(lasting ? server.lasting : [])]);
  try {
    if (before) await generate(running.url, server.dialect, before, ['--seconds', '0']);
  } catch (error) {
    await running.kill();
    throw error;
  }
  return running;
}

/** One report of the generator. */
function sample(workload, { server, load }, { url, pid }, isFirst, pace) {
  const seconds = pace[workload.lasts];
  const warmup = isFirst ? pace.warmup * (server.warmup ?? 1) : pace.again;
  return generate(url, server.dialect, load, ['--server-pid', `${pid}`, '--warmup', `${warmup}`, '--seconds', `${seconds}`]);
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

/** Has a server used by the loads that it is measured with, a second each, so that it writes a profile of that use. */
async function train(workloads, server, environment) {
  for (const { cells } of workloads.filter(({ isRate }) => isRate)) {
    for (const { load } of cells.filter((cell) => cell.server === server.id)) {
      const { url, pid, kill, end } = await serve([...server.start, '--end-with-input'], environment);
      try {
        await generate(url, server.dialect, load, ['--server-pid', `${pid}`, '--warmup', '0', '--seconds', '1']);
        await end();
      } finally {
        await kill();
      }
    }
  }
}

module.exports = { measure, train };
