// A server of its own process: started for one test file, stopped after it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The conformance server's binary. */
export function conformanceServer() {
  const { SOCKJS_SERVER, CARGO_TARGET_DIR } = process.env;
  return SOCKJS_SERVER || `${CARGO_TARGET_DIR || `${root}/target`}/release/conformance-server`;
}

/** The demo's, of the same build. */
export function demo() {
  return join(dirname(conformanceServer()), 'examples', 'demo');
}

/** Starts a server that prints the address on which it listens, and nothing else. */
export async function startServer(binary, settings) {
  const child = spawn(binary, ['--listen', '127.0.0.1:0', ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  // A test run that is interrupted must not leave a server behind.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const lines = [];
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await Promise.race([
    once(output, 'line'),
    ended.then(({ code, signal }) => {
      throw new Error(`${binary} ended with ${code ?? signal} before it listened`);
    }),
  ]);
  const [, origin] = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(lines[0]) ?? [];
  assert.ok(origin, `the server's first line is ${JSON.stringify(lines[0])}`);

  return {
    origin,
    /** Asks the server to end, which it must do by itself and in order. */
    async stop() {
      child.kill('SIGTERM');
      const end = await ended;
      process.off('exit', kill);
      assert.deepEqual(end, { code: 0, signal: null }, 'the server ended or was ended badly');
      assert.equal(lines.length, 1, `the server printed more than its address: ${lines.slice(1).join('\n')}`);
    },
  };
}
