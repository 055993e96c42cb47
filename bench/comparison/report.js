// What was measured, as Markdown between the markers of performance.md, and as plots beside it.
'use strict';

const { existsSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const { join } = require('node:path');

const { workloads } = require('./workloads');
const { over } = require('./median');
const { curves, ratios } = require('./plots');
const { model, HEAD, EFFICIENCY } = require('./model');

const BEGIN = '<!-- figures: written by bench/compare -->';
const END = '<!-- end of figures -->';

/** Columns of the table, and the cells that are in them. */
const COLUMNS = [
  ['sockjs-rs, tokio', 'tokio'],
  ['sockjs-rs, async-std', 'async-std'],
  ['sockjs, Node', 'node'],
  ['sockjs-tornado', 'tornado'],
  ['sockjs-go', 'go'],
  ['engineioxide', 'engineioxide'],
  ['bare, tokio', 'bare', 'bare-hyper'],
  ['bare, async-std', 'bare-async-std'],
  ['bare SockJS, hyper', 'bare-sockjs'],
];

/** Plots of curves: the file, what is on the horizontal axis, and its lines. */
const PLOTS = [
  ['sessions.svg', 'sessions', [
    ['sessions', 'tokio', 'sockjs-rs, beside detached sessions'],
    ['sessions', 'node', 'Node, beside detached sessions'],
    ['websockets', 'tokio', 'sockjs-rs, WebSockets in turn'],
    ['websockets', 'node', 'Node, WebSockets in turn'],
    ['websockets', 'bare', 'bare echo, WebSockets in turn'],
  ]],
  ['size.svg', 'bytes of a message', [['size', 'tokio', 'sockjs-rs'], ['size', 'node', 'Node']]],
  ['subscribers.svg', 'subscribers', [['subscribers', 'tokio', 'sockjs-rs'], ['subscribers', 'node', 'Node']]],
];

/** Writes all that there is. */
function write(directory, rows) {
  mkdirSync(join(directory, 'plots'), { recursive: true });
  const path = join(directory, 'performance.md');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : `${BEGIN}\n${END}\n`;
  const [before, rest] = text.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (after === undefined) throw new Error(`${path} has no place for the figures, between\n${BEGIN}\n${END}`);
  writeFileSync(path, before + BEGIN + '\n' + figures(rows) + END + after);
  writeFileSync(join(directory, 'plots/ratio.svg'), ratios(toNode(rows)));
  for (const [name, axis, lines] of PLOTS) {
    const drawn = lines.map(([id, server, title]) => ({ title, points: points(rows, id, server) }));
    writeFileSync(join(directory, 'plots', name), curves(axis, 'µs of processor time a message', drawn));
  }
}

/** One row for the terminal. */
function line(workload, row) {
  const cells = Object.entries(row.cells).map(([key, cell]) => `${key} ${shown(cell)}`);
  const goals = reached(workload, row).map((goal) => `${goal.name} ${round(goal.value)}: ${goal.verdict}`);
  return `${workload.title}: ${[...cells, ...goals].join(', ')}`;
}

function figures(rows) {
  const measured = workloads.filter(({ id }) => rows[id]);
  const loads = measured.map(({ id }) => rows[id].load);
  const rounds = [...new Set(measured.map(({ id }) => rows[id].rounds))].join(' or ');
  const [{ model: processor }] = os.cpus();
  const linux = os.release().split('-')[0];
  const machine = `${processor}, ${os.cpus().length} processors, Linux ${linux}, Node ${process.versions.node}`;
  const range = loads.length ? `${round(Math.min(...loads))} to ${round(Math.max(...loads))}` : 'not known';
  return `
${machine}. ${builds(measured, rows)}
Medians of ${rounds} rounds; load average of the machine meanwhile: ${range}. From its lowest to its highest round, a figure
spreads by ${spread(measured, rows)} of its median, for half of them.

${table(measured, rows)}
${failures(measured, rows)}
${goals(measured, rows)}
${kernelTable(measured, rows)}
${curveTables(measured, rows)}
${modelTable(rows)}`;
}

function builds(measured, rows) {
  const areGuided = [...new Set(measured.map(({ id }) => Boolean(rows[id].areGuided)))];
  if (areGuided.length > 1) return 'Of the servers in Rust, some are built by a profile of their use.';
  return areGuided[0] ? 'Servers in Rust are built by profiles of their use.' : 'Servers in Rust are built without a profile.';
}

/** What of a message is the kernel's, in the two digits that its ticks are good for. */
function kernelTable(measured, rows) {
  const lines = measured.filter(({ isRate }) => isRate).flatMap(({ id, title, goals: [goal] }) => {
    const micros = (key) => over(rows[id], (values) => 1e6 / values[key]);
    const kernel = (key) => over(rows[id], (values, kernels) => (1e6 / values[key]) * kernels[key]);
    const most = over(rows[id], (values, kernels) => values.tokio / kernels.tokio / values.node);
    if (!Number.isFinite(most)) return [];
    const shown = (value, digits) => (Number.isFinite(value) ? value.toPrecision(digits) : '');
    const figures = ['tokio', 'engineioxide', 'bare', 'node'].flatMap((key) => [shown(micros(key), 3), shown(kernel(key), 2)]);
    return [[title, ...figures, `${shown(most, 2)} ×`, `${goal.must} ×`]];
  });
  if (lines.length === 0) return '';
  const servers = ['tokio', 'engineioxide', 'bare', 'Node'].flatMap((server) => [server, 'kernel']);
  return `µs of processor time a message, and of it the kernel's part; and what this server would be to Node if the kernel's part of it were all.

${markdown(['workload', ...servers, 'kernel alone ÷ Node', 'must'], lines)}`;
}

function modelTable(rows) {
  const lines = model(rows).map((values) => values.map((value, index) => (index ? round(value) : `${value}`)));
  if (lines.length === 0) return '';
  return `*Model*: the figures above, times the processors, times ${EFFICIENCY}.\n\n${markdown(HEAD, lines)}\n`;
}

function spread(measured, rows) {
  const cells = measured.flatMap(({ id }) => Object.values(rows[id].cells)).filter(({ value }) => value > 0);
  const spreads = cells.map(({ value, low, high }) => (high - low) / value).sort((a, b) => a - b);
  return `${Math.round((spreads[Math.floor(spreads.length / 2)] ?? 0) * 100)} %`;
}

function markdown(head, lines) {
  const text = [head, head.map((_, index) => (index ? '---:' : '---')), ...lines];
  return text.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function table(measured, rows) {
  const lines = measured.filter(({ axis }) => !axis).map(({ id, title, measure }) => {
    const { cells } = rows[id];
    const columns = COLUMNS.map(([, ...keys]) => keys.map((key) => cells[key]).find(Boolean));
    return [title, measure.unit, ...columns.map(shown)];
  });
  return markdown(['workload', 'unit', ...COLUMNS.map(([title]) => title)], lines);
}

function failures(measured, rows) {
  const failed = measured.flatMap(({ id, title }) =>
    Object.entries(rows[id].cells)
      .filter(([, cell]) => cell.failed)
      .map(([key, cell]) => `- *failed*: ${title}, ${key}: ${cell.failed.replaceAll('\n', ' ')}\n`),
  );
  return failed.join('');
}

function goals(measured, rows) {
  const lines = measured.flatMap((workload) =>
    reached(workload, rows[workload.id]).map(({ name, unit, most, must, aim, value, verdict }) => {
      const asked = (limit) => (limit === undefined ? '' : `${most ? '≤' : '≥'} ${limit}`);
      return [workload.title, name, `${round(value)} ${unit}`, asked(must), asked(aim), verdict];
    }),
  );
  return markdown(['workload', 'what is compared', 'measured', 'must', 'aim', ''], lines);
}

/** Goals of a workload that its figures tell about, with what was reached. */
function reached(workload, row) {
  return workload.goals
    .map((goal) => ({ ...goal, value: over(row, goal.of) }))
    .filter(({ value }) => Number.isFinite(value))
    .map((goal) => {
      const holds = (limit) => limit !== undefined && (goal.most ? goal.value <= limit : goal.value >= limit);
      const missed = goal.must === undefined ? '' : '**missed**';
      const verdict = holds(goal.aim) ? 'aim' : holds(goal.must) ? 'must' : missed;
      return { ...goal, verdict };
    });
}

function curveTables(measured, rows) {
  const tables = measured.filter(({ axis }) => axis).map(({ id, title, axis, lines }) => {
    const xs = [...new Set(lines.flatMap((line) => line.points))].sort((a, b) => a - b);
    const cell = (server, x) => rows[id].cells[`${server} ${x}`];
    const body = xs.map((x) => [number(x), ...lines.map(({ server }) => shown(cell(server, x)))]);
    return `${title}: µs of processor time a message.\n\n${markdown([axis, ...lines.map(({ server }) => server)], body)}`;
  });
  return tables.join('\n');
}

function points(rows, id, server) {
  const { lines } = workloads.find((workload) => workload.id === id);
  const xs = lines.find((line) => line.server === server).points;
  return xs.map((x) => [x, rows[id]?.cells[`${server} ${x}`]?.value]).filter(([, y]) => Number.isFinite(y));
}

/** The rows of the plot of ratios. */
function toNode(rows) {
  return workloads.flatMap(({ id, title, goals: [goal] }) => {
    if (!goal?.name.endsWith('÷ node') || !Number.isFinite(rows[id]?.cells.node?.value)) return [];
    const to = (key) => over(rows[id], (values) => values[key] / values.node);
    return [{ title, must: goal.must, aim: goal.aim, ratio: to('tokio'), second: to('async-std') }];
  });
}

function shown(cell) {
  if (!cell) return '';
  return cell.failed ? '*failed*' : round(cell.value);
}

/** Three digits that count. */
function round(value) {
  if (Math.abs(value) >= 100) return number(Number(value.toPrecision(3)));
  return value.toPrecision(3);
}

function number(value) {
  return Math.round(value).toLocaleString('en-US');
}

module.exports = { write, line };
