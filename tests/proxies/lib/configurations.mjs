// The configurations in docs/deploy.md, each named by the comment in its first line.
import { readFileSync } from 'node:fs';

const page = readFileSync(new URL('../../../docs/deploy.md', import.meta.url), 'utf8');
const blocks = new Map();
for (const [, name, text] of page.matchAll(/^```(?:nginx|haproxy)\n# (.+)\n([^]*?)^```$/gm)) {
  blocks.set(name, text);
}

/** A configuration with parts of it replaced. A part that is nowhere in it fails: then the page says something else. */
export function configuration(name, replacements = {}) {
  let text = blocks.get(name);
  if (text === undefined) throw new Error(`docs/deploy.md has no configuration "${name}"`);
  for (const [part, replacement] of Object.entries(replacements)) {
    if (!text.includes(part)) throw new Error(`docs/deploy.md: no "${part}" in "${name}"`);
    text = text.replaceAll(part, replacement);
  }
  return text;
}
