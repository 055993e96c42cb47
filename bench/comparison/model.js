// What machines with more processors are expected to carry: a model, and marked as one.
'use strict';

/** Of what so many processors would do if nothing were shared. Assumed, not measured. */
const EFFICIENCY = 0.7;
const PROCESSORS = [2, 8, 64];
/** How often a client says something, and is answered, in seconds. */
const INTERVAL = 10;

/** Rows of the model: processors, then what they carry; nothing unless all that it is made from was measured. */
function model(rows) {
  const of = (id) => rows[id]?.cells.tokio?.value;
  const [echo, burst, poll, broadcast, bytes] = ['ws1', 'ws16', 'poll', 'broadcast1', 'idle-ws'].map(of);
  if (![echo, burst, poll, broadcast, bytes].every(Number.isFinite)) return [];
  return PROCESSORS.map((processors) => {
    const times = processors * EFFICIENCY;
    const clients = echo * times * INTERVAL;
    return [processors, echo * times, burst * times, poll * times, broadcast * times, clients, (clients * bytes) / 2 ** 30];
  });
}

const HEAD = ['processors', 'echoes/s, WebSocket', 'the same in bursts of 16', 'echoes/s, polling', 'deliveries/s, broadcast',
  `WebSockets that say something every ${INTERVAL} s`, 'their memory, GiB'];

module.exports = { model, HEAD, EFFICIENCY };
