/** Puts the page together: one connection, four panels. */
import { Chat } from './chat.js';
import { Connection } from './connection.js';
import { formatCount, FrameLog } from './frames.js';
import { RttPlot } from './plot.js';
import { TransportPicker } from './transports.js';

const SPOKEN = {
  idle: 'Disconnected',
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Connection lost',
  blocked: 'Every transport is forbidden',
};

const byId = (id) => document.getElementById(id);

// The htmlfile transport's page relaxes its domain. Where browsers still heed that, ours has to do the same
// to be reached from there; where agents are keyed by origin it is without effect, and not needed.
if (!window.originAgentCluster) document.domain = document.domain; // eslint-disable-line no-self-assign

const connection = new Connection(new URL('chat', document.baseURI).href, () => ({ type: 'hello', name: chat.name }));
const chat = new Chat(byId('chat'), {
  send: (message) => connection.send(message),
  renamed: () => connection.status.state !== 'idle' && connection.connect('Name changed'),
});
const frames = new FrameLog(byId('frames'));
const plot = new RttPlot(byId('plot'), {
  current: byId('rtt-current'),
  median: byId('rtt-median'),
  best: byId('rtt-best'),
});
const picker = new TransportPicker(byId('transports'), byId('transport-row'), (names) => connection.useTransports(names));

connection.addEventListener('message', ({ detail }) => chat.receive(detail));
connection.addEventListener('info', ({ detail }) => picker.serverOffers(detail));
connection.addEventListener('note', ({ detail }) => frames.note(detail));
connection.addEventListener('frame', ({ detail }) => {
  frames.frame(detail);
  showCounters();
});
connection.addEventListener('rtt', ({ detail }) => plot.add(detail.ms, connection.status.transport));

let wasOpen = false;
connection.addEventListener('state', ({ detail }) => {
  const isOpen = detail.state === 'open';
  showStatus(detail);
  showCounters();
  picker.inUse(detail.transport);
  if (isOpen !== wasOpen) {
    wasOpen = isOpen;
    if (isOpen) {
      chat.connected(detail.transport);
    } else {
      chat.disconnected(whyClosed(detail));
      plot.pause();
    }
  }
});

byId('toggle').addEventListener('click', () => {
  const { state } = connection.status;
  if (state === 'open' || state === 'connecting') connection.disconnect();
  else connection.connect();
});
byId('second').addEventListener('click', () => {
  const width = Math.min(760, Math.round(screen.availWidth / 2));
  const place = `popup,noopener,width=${width},height=${Math.min(960, screen.availHeight)},left=${screen.availWidth - width}`;
  const address = new URL(location.href);
  address.searchParams.delete('name');
  window.open(address, '_blank', place);
});

// A page kept for the back button must not hold a session; it connects again when shown.
let resume = false;
window.addEventListener('pagehide', () => {
  resume = connection.status.state !== 'idle';
  connection.disconnect('Page left');
});
window.addEventListener('pageshow', (event) => event.persisted && resume && connection.connect());
window.addEventListener('online', () => connection.status.state === 'waiting' && connection.connect());

setInterval(showClock, 250);
connection.useTransports(picker.names);
if (window.SockJS) connection.connect();
else byId('broken').hidden = false;

function showStatus({ state, transport, close }) {
  document.documentElement.dataset.state = state;
  byId('state').textContent = SPOKEN[state];
  byId('transport').textContent = transport ?? (state === 'connecting' ? 'connecting…' : 'none');
  byId('reason').textContent = transport ? picker.reason : '';
  byId('toggle').textContent = { open: 'Disconnect', connecting: 'Cancel', waiting: 'Retry now' }[state] ?? 'Connect';
  byId('toggle').disabled = state === 'blocked';
  byId('last-close').hidden = !close;
  if (close) {
    byId('close-code').textContent = close.code;
    byId('close-reason').textContent = close.reason || 'no reason given';
  }
  showClock();
}

function whyClosed({ state, close }) {
  if (state === 'waiting') return `Connection lost: ${close.code} ${close.reason || ''}`.trim();
  return state === 'idle' ? 'You are disconnected' : '';
}

/** What changes by itself: the time connected, the time until the next attempt. */
function showClock() {
  const { state, since, retryAt } = connection.status;
  let text = '';
  if (state === 'open') text = `for ${formatDuration(Date.now() - since)}`;
  if (state === 'waiting') text = `next try in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1000))} s`;
  if (byId('clock').textContent !== text) byId('clock').textContent = text;
}

function showCounters() {
  for (const direction of ['in', 'out']) {
    const { messages, frames: count, bytes } = connection.counters[direction];
    byId(`${direction}-messages`).textContent = formatCount(messages);
    byId(`${direction}-frames`).textContent = formatCount(count);
    byId(`${direction}-bytes`).textContent = formatBytes(bytes);
  }
}

function formatBytes(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

function formatDuration(ms) {
  const seconds = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}
