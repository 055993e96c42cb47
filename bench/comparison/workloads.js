// What is measured and what it must reach.
//
// A workload has cells, which take turns in each round. In a row of the table a cell is a server; on a curve it is a server
// and a point.
'use strict';

const RATE = { unit: 'messages', less: false, of: (report) => report.messages / report.server_cpu_seconds };
const COST = { unit: 'µs', less: true, of: (report) => (report.server_cpu_seconds / report.messages) * 1e6 };
const P99 = { unit: 'µs, p99', less: true, of: (report) => report.latency_micros.p99 };
const MEMORY = {
  unit: 'bytes a session',
  less: true,
  of: (report) => (report.memory_after.pss - report.memory_before.pss) / report.sessions,
};

const SOCKJS = ['tokio', 'async-std', 'node', 'tornado', 'go'];
const ALL = [...SOCKJS, 'engineioxide', 'bare', 'bare-async-std'];

/** How one server's figure stands to another's, as a quotient. */
function ratio(against, must, aim, { of = 'tokio', most = false } = {}) {
  return { name: `${of} ÷ ${against}`, unit: '×', most, must, aim, of: (values) => values[of] / values[against] };
}

/** What a server that does hardly anything reaches: no goal, but nobody reaches more. */
const bound = (of) => ratio('node', undefined, undefined, { of });

/** The most memory that a session may take, in KiB. */
function kib(must, aim) {
  return { name: 'tokio', unit: 'KiB', most: true, must, aim, of: (values) => values.tokio / 1024 };
}

const NO_MORE = { name: 'at 100,000 ÷ at 100', unit: '×', most: true, must: 1.1 };

function row(id, title, measure, load, servers, goals) {
  const cells = servers.map((server) => ({ key: server, server, load }));
  return { id, title, measure, isRate: measure === RATE, cells, goals };
}

function memory(id, title, load, servers, goals, lasting = false) {
  const cells = servers.map((server) => ({ key: server, server, load, lasting }));
  return { id, title, measure: MEMORY, cells, goals };
}

/** Cost of a message at each of these points. `lines` are of the plot: what is measured at a point. */
function curve(id, title, axis, lines) {
  const cells = lines.flatMap(({ server, points, lasting = false, before, load }) =>
    points.map((x) => ({ key: `${server} ${x}`, server, lasting, before: before?.(x), load: load(x) })),
  );
  return { id, title, measure: COST, axis, lines, cells, goals: [] };
}

const beside = (server, points) => ({
  server,
  points,
  lasting: true,
  before: (x) => `idle /echo --state detached --sessions ${x}`,
  load: () => 'echo /echo',
});
const turns = (server, points) => ({
  server,
  points,
  load: (x) => `echo /echo --sessions ${x} --window 100`,
});
const size = (server, points) => ({ server, points, load: (x) => `echo /echo --size ${x}` });
const audience = (server, points) => ({ server, points, load: (x) => `broadcast /broadcast --sessions ${x}` });

const workloads = [
  row('ws1', 'WebSocket echo, 100 sessions, 1 in flight', RATE, 'echo /echo', ALL, [
    ratio('node', 2.8, 3.1),
    ratio('bare', 0.9),
    ratio('engineioxide', 1),
    ratio('bare-async-std', 0.8, undefined, { of: 'async-std' }),
    bound('bare'),
  ]),
  row('ws16', 'WebSocket echo, 100 sessions, 16 in flight', RATE, 'echo /echo --in-flight 16', ALL, [
    ratio('node', 15, 23),
    ratio('engineioxide', 1),
  ]),
  row('ws-utf8', 'WebSocket echo, 100 sessions, 1 KiB of non-ASCII text, 4 in flight', RATE,
    'echo /echo --size 1024 --text utf8 --in-flight 4', ALL, [ratio('node', 6, 8)]),
  row('stream1', 'xhr_streaming echo, 50 sessions, 1 in flight', RATE,
    'echo /echo --transport xhr_streaming --sessions 50', [...SOCKJS, 'bare-sockjs'],
    [ratio('node', 4.5, 5.5), bound('bare-sockjs')]),
  row('stream16', 'xhr_streaming echo, 50 sessions, 16 in flight', RATE,
    'echo /echo --transport xhr_streaming --sessions 50 --in-flight 16', [...SOCKJS, 'bare-sockjs'],
    [ratio('node', 6, 8), bound('bare-sockjs')]),
  row('poll', 'xhr polling echo, 50 sessions', RATE, 'echo /echo --transport xhr --sessions 50',
    [...SOCKJS, 'engineioxide', 'bare-hyper', 'bare-sockjs'],
    [ratio('node', 6.5, 8), ratio('engineioxide', 1), bound('bare-sockjs')]),
  row('broadcast1', 'broadcast to 500 WebSockets, 1 in flight', RATE, 'broadcast /broadcast --sessions 500',
    [...SOCKJS, 'engineioxide'], [ratio('node', 1.8, 2.2)]),
  row('broadcast8', 'broadcast to 500 WebSockets, 8 in flight', RATE,
    'broadcast /broadcast --sessions 500 --in-flight 8', [...SOCKJS, 'engineioxide'], [ratio('node', 13, 16)]),
  row('broadcast-stream', 'broadcast to 500 streams', RATE,
    'broadcast /broadcast --sessions 500 --transport xhr_streaming', SOCKJS, [ratio('node', 1.5, 1.8)]),
  row('churn-ws', 'open and close, WebSocket', RATE, 'churn /echo', SOCKJS, [ratio('node', 5, 6)]),
  row('churn-xhr', 'open and close, xhr', RATE, 'churn /close --transport xhr', SOCKJS, [ratio('node', 6, 7)]),
  row('latency', 'latency at 8,000 messages/s over 200 WebSockets', P99, 'echo /echo --rate 8000 --sessions 200',
    ALL.filter((server) => server !== 'tornado'), [ratio('bare', 1.25, undefined, { most: true })]),
  memory('idle-ws', 'memory: idle WebSocket', 'idle /echo --sessions 2000', [...SOCKJS, 'engineioxide'], [kib(7, 3)]),
  memory('used-ws', 'memory: WebSocket that has echoed 60,000 bytes',
    'idle /echo --sessions 2000 --state used --size 60000', SOCKJS, [kib(7, 3)]),
  memory('parked', 'memory: parked poll', 'idle /echo --sessions 2000 --state parked', SOCKJS, [kib(17)]),
  // So many that what a server needs once weighs little.
  memory('detached', 'memory: detached polling session', 'idle /echo --sessions 20000 --state detached', SOCKJS,
    [kib(1)], true),
  {
    ...curve('sessions', 'WebSocket echo, 100 sessions, beside detached polling sessions', 'detached sessions', [
      beside('tokio', [100, 1000, 10_000, 100_000]),
      beside('node', [100, 1000, 10_000]),
    ]),
    goals: [{ ...NO_MORE, of: (values) => values['tokio 100000'] / values['tokio 100'] }],
  },
  curve('websockets', 'WebSocket echo, all sessions in turn, 100 messages in flight in all', 'WebSockets', [
    turns('tokio', [100, 1000, 5000, 15_000]),
    turns('node', [100, 1000, 5000]),
    turns('bare', [100, 1000, 5000, 15_000]),
  ]),
  curve('size', 'WebSocket echo, 100 sessions, by size of a message', 'bytes of a message', [
    size('tokio', [16, 256, 1024, 4096, 16_384, 65_536]),
    size('node', [16, 256, 1024, 4096, 16_384, 65_536]),
  ]),
  curve('subscribers', 'one delivery of a broadcast to WebSockets', 'subscribers', [
    audience('tokio', [10, 100, 1000, 5000]),
    audience('node', [10, 100, 1000]),
  ]),
];

module.exports = { workloads };
