// The server under test.

import { conformanceServer, startServer } from './server.mjs';

/** Starts the conformance server; its iframe page loads `clientUrl`. `SOCKJS_URL` names one that listens already. */
export async function startConformanceServer(clientUrl) {
  if (process.env.SOCKJS_URL) return { origin: process.env.SOCKJS_URL.replace(/\/$/, ''), stop: async () => {} };

  const runtime = process.env.SOCKJS_RUNTIME || 'tokio';
  const settings = ['--runtime', runtime, '--disconnect', '5s', '--response-limit', '4096', '--client-url', clientUrl];
  const { SOCKJS_RECORD } = process.env;
  if (SOCKJS_RECORD) settings.push('--record-redacted', SOCKJS_RECORD);
  return startServer(conformanceServer(), settings);
}
