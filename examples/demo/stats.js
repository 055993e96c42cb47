/** The page of statistics: listens to the feed, and draws it. */
import { Chart } from './chart.js';
import { Connection } from './connection.js';
import { formatMs } from './plot.js';

// As the server names them, in the order in which they are stacked.
const TRANSPORTS = ['websocket', 'websocket-raw', 'xhr_streaming', 'eventsource', 'htmlfile', 'xhr', 'jsonp'];
const SPOKEN = { idle: 'Paused', connecting: 'Connecting', open: 'Live', waiting: 'Connection lost' };

const byId = (id) => document.getElementById(id);
const count = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const formatCount = (value) => count.format(value);

const flows = [{ name: 'from clients', color: 'var(--in)' }, { name: 'to clients', color: 'var(--out)' }];
const charts = {
  sessions: new Chart(byId('sessions'), {
    series: TRANSPORTS.map((name, i) => ({ name, color: `var(--kind-${i})` })),
    format: formatCount,
    floor: 2,
    isStacked: true,
  }),
  messages: new Chart(byId('messages'), { series: flows, format: formatCount, floor: 2 }),
  bytes: new Chart(byId('bytes'), { series: flows, format: formatBytes, floor: 100 }),
  queued: new Chart(byId('queued'), { series: [{ name: 'both directions', color: 'var(--busy)' }], format: formatBytes, floor: 100 }),
  flush: new Chart(byId('flush'), {
    series: [{ name: 'median', color: 'var(--in)' }, { name: '99 of 100 within', color: 'var(--out)' }],
    format: formatTime,
    floor: 0.1,
  }),
};

let lastAt = 0;
let isDue = false;

const feed = new Connection(new URL('stats/feed', document.baseURI).href);
feed.addEventListener('message', ({ detail }) => detail.type === 'snapshot' && show(detail));
feed.addEventListener('state', ({ detail }) => {
  document.documentElement.dataset.state = detail.state;
  byId('state').textContent = SPOKEN[detail.state] ?? detail.state;
  byId('clock').textContent = detail.transport ? `over ${detail.transport}` : '';
});

// A page kept for the back button must not hold a session; it connects again when shown.
window.addEventListener('pagehide', () => feed.disconnect('Page left'));
window.addEventListener('pageshow', (event) => event.persisted && feed.connect());

if (window.SockJS) feed.connect();
else byId('broken').hidden = false;

function show(snapshot) {
  // After a reconnection the history comes again.
  if (snapshot.at <= lastAt) return;
  lastAt = snapshot.at;
  const { at, stats, flush } = snapshot;
  const rates = stats.per_second;
  charts.sessions.add(at, TRANSPORTS.map((name) => stats.sessions[name]));
  charts.messages.add(at, [rates.messages_in, rates.messages_out]);
  charts.bytes.add(at, [rates.bytes_in, rates.bytes_out]);
  charts.queued.add(at, [stats.queued_bytes]);
  charts.flush.add(at, [flush?.median ?? null, flush?.p99 ?? null]);
  // The history comes all at once, and is drawn once.
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    Object.values(charts).forEach((chart) => chart.draw());
  });
  queueMicrotask(() => showFigures(snapshot));
}

function showFigures({ stats, flush, connections }) {
  const rates = stats.per_second;
  const texts = {
    sessions: formatCount(total(stats.sessions)),
    opened: `${formatCount(total(stats.opened))} opened so far`,
    connections: formatCount(connections),
    in: `${formatCount(rates.messages_in)}/s`,
    'bytes-in': `${formatBytes(rates.bytes_in)}/s`,
    out: `${formatCount(rates.messages_out)}/s`,
    'bytes-out': `${formatBytes(rates.bytes_out)}/s`,
    queued: formatBytes(stats.queued_bytes),
    flush: flush ? formatTime(flush.p99) : '–',
    flushes: flush ? `of ${formatCount(flush.count)} in a second` : 'none in a second',
  };
  for (const [name, text] of Object.entries(texts)) byId(`tile-${name}`).textContent = text;
  showTally(byId('closed'), stats.closed, 'No session has ended.');
  showTally(byId('refused'), stats.refused, 'No request was turned away.');
}

/** What is not zero, the most frequent first, with a bar for its share. */
function showTally(table, tally, none) {
  const rows = Object.entries(tally).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a);
  const most = rows[0]?.[1];
  const lines = rows.map(([name, n]) => row(name.replaceAll('_', ' '), formatCount(n), n / most));
  table.tBodies[0].replaceChildren(...(lines.length ? lines : [row(none, '', 0)]));
}

function row(name, value, share) {
  const line = document.createElement('tr');
  const head = document.createElement('th');
  head.scope = 'row';
  head.textContent = name;
  const cell = document.createElement('td');
  cell.textContent = value;
  line.style.setProperty('--share', share);
  line.append(head, cell);
  return line;
}

function total(tally) {
  return Object.values(tally).reduce((sum, n) => sum + n, 0);
}

function formatTime(ms) {
  if (ms === 0) return '0';
  return ms < 1 ? `${Math.round(ms * 1_000)} µs` : formatMs(ms);
}

function formatBytes(bytes) {
  const power = bytes < 1_000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${count.format(bytes / 1_000 ** power)} ${['B', 'kB', 'MB', 'GB'][power]}`;
}
