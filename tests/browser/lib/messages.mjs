// The messages of the echo test. This file runs in pages as well as under Node.

const range = (first, last) =>
  Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i));

// Every code point that the server must escape, and those beside the edges of each range, which it must not.
const ESCAPABLE = [
  '"', '\\', '/',
  ...range(0x0000, 0x0021),
  ...range(0x007e, 0x00a1),
  ...range(0x200b, 0x2010),
  ...range(0x2027, 0x2030),
  ...range(0x205f, 0x2070),
  ...range(0xffef, 0xffff),
];

// Text that some layer on the way could mistake for its own syntax.
const SUSPICIOUS = [
  '', ' ', '\n', '\r\n', '\0', '  padded  ',
  '%20', '%41', '%80', '%', '%%', '%2525', '%u0041', 'a%0d%0ab', '+', 'a+b=c&d=e;f', 'd=%5B%22x%22%5D',
  '</script>', '<script>alert(1)</script>', '<!--', '-->', ']]>', '<', '&lt;', '&amp;', "'", '`', '${x}', '*/', '/**/',
  'o', 'h', 'a["x"]', 'c[3000,"Go away!"]', 'm"x"', '[]', '[""]', '{"a":[1,"b",null]}', '"quoted"', 'null', '0', '\\u0041', '\\', '\\"',
  'data: x', 'data: x\r\n\r\n', 'a\r\n\r\nb', ':comment', 'event: error', 'hhhh\n',
  'grüße', 'Ωmega', 'שלום', 'مرحبا', '漢字', 'e\u0301', '\ufeffbom', '\u00a0', '\u0085', '\u2028', '\u2029', 'a\u2028b\u2029c', '\ud7ff\ue000',
  '😀', '👩‍👩‍👧‍👦', '🏳️‍🌈', '𝒳', '\u{10000}', '\u{10ffff}', '\u{1f600}'.repeat(100),
];

// A page's textarea, a form, a frame limit: whatever has a size has an edge.
const LARGE = [
  'x'.repeat(4095), 'x'.repeat(4096), '%'.repeat(5000), '"'.repeat(5000), '\u2028'.repeat(1000),
  '0123456789abcdef'.repeat(4096),
];

/** `count` messages: all of the above alone, then mixtures of them, the same on every run. */
export function mixedMessages(count) {
  const messages = [...ESCAPABLE, ...SUSPICIOUS, ...LARGE];
  const pieces = [...ESCAPABLE, ...SUSPICIOUS];
  let seed = 1;
  const below = (limit) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * limit);
  };
  while (messages.length < count) {
    const parts = Array.from({ length: 1 + below(8) }, () => pieces[below(pieces.length)]);
    messages.push(`${messages.length}:${parts.join('')}`);
  }
  if (messages.length !== count) throw new Error(`${messages.length} messages do not fit ${count}`);
  return messages;
}

/** Unpaired surrogates, and what has to come back: U+FFFD for each, and the rest untouched. */
export const UNPAIRED_SURROGATES = [
  ['\ud800', '\ufffd'],
  ['\udfff', '\ufffd'],
  ['a\ud83db', 'a\ufffdb'],
  ['\ude00\ud83d', '\ufffd\ufffd'],
  ['\ud83d\ud83d\ude00\ude00', '\ufffd😀\ufffd'],
  ['x\ud800"\\', 'x\ufffd"\\'],
];
