'use strict';
// sockjs on Node, with its defaults: /echo, /broadcast, and /close, which closes each session at once.
// `node server.js [--disconnect-delay SECONDS]`

const http = require('node:http');
const sockjs = require('sockjs');

const delay = process.argv.indexOf('--disconnect-delay');
const options = {
  log: () => {},
  ...(delay > 0 && { disconnect_delay: Number(process.argv[delay + 1]) * 1000 }),
};

const services = {
  '/echo': (session) => session.on('data', (message) => session.write(message)),
  '/close': (session) => session.close(3000, 'Go away!'),
  '/broadcast': (session) => {
    everyone.add(session);
    session.on('data', (message) => {
      for (const member of everyone) member.write(message);
    });
    session.on('close', () => everyone.delete(session));
  },
};
const everyone = new Set();

const server = http.createServer();
for (const [prefix, handler] of Object.entries(services)) {
  const service = sockjs.createServer(options);
  service.on('connection', handler);
  service.installHandlers(server, { prefix });
}
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
