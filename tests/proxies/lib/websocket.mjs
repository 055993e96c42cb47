// A WebSocket client of a few lines: short text messages, pings answered.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export class WebSocket {
  #socket;

  /** Shakes hands. */
  static async open(url) {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    };
    const handshake = request(url, { headers }).end();
    const refused = once(handshake, 'response').then(([response]) => {
      throw new Error(`${url}: ${response.statusCode} instead of a WebSocket`);
    });
    const [, socket, head] = await Promise.race([once(handshake, 'upgrade'), refused]);
    const opened = new WebSocket();
    opened.#socket = socket.on('error', () => {});
    socket.unshift(head);
    return opened;
  }

  send(text) {
    this.#write(TEXT, Buffer.from(text));
  }

  close() {
    this.#socket.destroy();
  }

  /** The text messages until the connection ends. */
  async *messages() {
    let buffer = Buffer.alloc(0);
    for await (const chunk of this.#socket) {
      buffer = Buffer.concat([buffer, chunk]);
      for (let frame; (frame = parse(buffer)); buffer = buffer.subarray(frame.end)) {
        if (frame.opcode === PING) this.#write(PONG, frame.payload);
        if (frame.opcode === TEXT) yield frame.payload.toString();
        if (frame.opcode === CLOSE) return;
      }
    }
  }

  #write(opcode, payload) {
    const mask = randomBytes(4);
    const masked = payload.map((byte, index) => byte ^ mask[index % 4]);
    this.#socket.write(Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]));
  }
}

/** The frame at the beginning, if it is there as a whole. */
function parse(buffer) {
  // What several said at once comes in one frame.
  const start = buffer[1] === 126 ? 4 : 2;
  if (buffer.length < start) return undefined;
  if (buffer[1] > 126) throw new Error('longer than all messages of these tests');
  const end = start + (start === 4 ? buffer.readUInt16BE(2) : buffer[1]);
  return buffer.length < end ? undefined : { opcode: buffer[0] & 0x0f, payload: buffer.subarray(start, end), end };
}
