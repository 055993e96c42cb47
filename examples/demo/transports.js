/** The transports of sockjs-client, in the order in which it tries them, and the panel to choose. */

const hasXhr = () => 'XMLHttpRequest' in window && 'withCredentials' in new XMLHttpRequest();
const hasEvents = () => 'EventSource' in window;
const hasFrames = () => typeof window.postMessage === 'function';
const hasXdr = () => 'XDomainRequest' in window;
const IE_ONLY = 'Needs Internet Explorer 8 or 9.';

const TRANSPORTS = [
  { name: 'websocket', how: 'One socket, both ways.', supported: () => 'WebSocket' in window, lacking: 'This browser has no WebSocket.' },
  { name: 'xhr-streaming', how: 'An endless response in, POSTs out.', supported: hasXhr, lacking: 'Needs cross-origin XMLHttpRequest.' },
  { name: 'xdr-streaming', how: 'Streaming for old Internet Explorer.', supported: hasXdr, lacking: IE_ONLY },
  { name: 'eventsource', how: 'Server-sent events in, POSTs out.', supported: hasEvents, lacking: 'This browser has no EventSource.' },
  { name: 'iframe-eventsource', how: 'The same, inside a hidden iframe.', supported: () => hasEvents() && hasFrames(), lacking: 'Needs EventSource and postMessage.' },
  { name: 'htmlfile', how: 'A hidden page that never ends.', supported: hasFrames, lacking: 'Needs postMessage.' },
  { name: 'iframe-htmlfile', how: 'The same, inside one more iframe.', supported: hasFrames, lacking: 'Needs postMessage.' },
  { name: 'xhr-polling', how: 'One request for each answer.', supported: hasXhr, lacking: 'Needs cross-origin XMLHttpRequest.' },
  { name: 'xdr-polling', how: 'Polling for old Internet Explorer.', supported: hasXdr, lacking: IE_ONLY },
  { name: 'iframe-xhr-polling', how: 'Polling from inside a hidden iframe.', supported: () => hasXhr() && hasFrames(), lacking: 'Needs XMLHttpRequest and postMessage.' },
  { name: 'jsonp-polling', how: 'Script tags in, forms out.', supported: () => true, lacking: '' },
];

/** The panel. `changed(names)` gets the names that may be used, or null for all of them. */
export class TransportPicker {
  #list;
  #template;
  #changed;
  #rows = new Map();
  #offAtServer = new Set();
  #only = '';
  #forbidden = new Set();

  constructor(list, template, changed) {
    this.#list = list;
    this.#template = template;
    this.#changed = changed;
    this.#readAddress();
    for (const transport of TRANSPORTS) this.#addRow(transport);
    list.addEventListener('change', (event) => this.#onChange(event.target));
    this.#render();
  }

  /** The names to hand to sockjs-client: null for all of them, empty when all are forbidden. */
  get names() {
    if (this.#only) return [this.#only];
    const usable = TRANSPORTS.filter((t) => this.#lacking(t) === '').map((t) => t.name);
    const allowed = usable.filter((name) => !this.#forbidden.has(name));
    return allowed.length === usable.length ? null : allowed;
  }

  /** One sentence on why this transport is in use. */
  get reason() {
    if (this.#only) return 'the only one you picked';
    return this.names ? 'the first that worked of those allowed' : 'chosen automatically';
  }

  /** Greys out what the server does not offer. */
  serverOffers(info) {
    if (info.websocket === false) this.#offAtServer.add('websocket');
    else this.#offAtServer.delete('websocket');
    this.#render();
  }

  /** Marks the transport in use, or none. */
  inUse(name) {
    for (const [rowName, row] of this.#rows) row.root.classList.toggle('in-use', rowName === name);
    for (const [rowName, row] of this.#rows) row.badge.hidden = rowName !== name;
  }

  #addRow(transport) {
    const root = this.#template.content.firstElementChild.cloneNode(true);
    const row = {
      root,
      transport,
      pick: root.querySelector('input[type=radio]'),
      allow: root.querySelector('input[type=checkbox]'),
      badge: root.querySelector('.badge'),
      how: root.querySelector('.how'),
    };
    row.pick.value = transport.name;
    row.allow.value = transport.name;
    row.allow.setAttribute('aria-label', `Allow ${transport.name}`);
    root.dataset.transport = transport.name;
    root.querySelector('.name').textContent = transport.name;
    this.#rows.set(transport.name, row);
    this.#list.append(root);
  }

  #onChange(input) {
    const { value, checked, type } = input;
    if (type === 'radio') {
      this.#only = value;
      this.#forbidden.delete(value);
    } else if (checked) {
      this.#forbidden.delete(value);
    } else {
      this.#forbidden.add(value);
      if (this.#only === value) this.#only = '';
    }
    this.#render();
    this.#writeAddress();
    this.#changed(this.names);
  }

  #lacking(transport) {
    if (!transport.supported()) return transport.lacking;
    return this.#offAtServer.has(transport.name) ? 'Switched off at this server.' : '';
  }

  #render() {
    this.#list.querySelector('input[value=""]').checked = this.#only === '';
    for (const row of this.#rows.values()) {
      const { name, how } = row.transport;
      const lacking = this.#lacking(row.transport);
      row.pick.checked = this.#only === name;
      row.pick.disabled = lacking !== '';
      row.allow.disabled = lacking !== '';
      row.allow.checked = lacking === '' && !this.#forbidden.has(name);
      row.how.textContent = lacking || how;
      row.root.classList.toggle('unsupported', lacking !== '');
      row.root.classList.toggle('forbidden', this.#forbidden.has(name));
    }
  }

  /** The choice lives in the address, so that a reload and a bookmark keep it. */
  #readAddress() {
    const query = new URLSearchParams(location.search);
    const known = (name) => TRANSPORTS.some((t) => t.name === name && t.supported());
    const forbidden = (query.get('forbid') ?? '').split(',').filter(known);
    this.#forbidden = new Set(forbidden);
    const only = query.get('only') ?? '';
    this.#only = known(only) ? only : '';
  }

  #writeAddress() {
    const query = new URLSearchParams(location.search);
    query.delete('only');
    query.delete('forbid');
    if (this.#only) query.set('only', this.#only);
    if (this.#forbidden.size > 0) query.set('forbid', [...this.#forbidden].join(','));
    const search = query.toString().replaceAll('%2C', ',');
    history.replaceState(null, '', search ? `?${search}` : location.pathname);
  }
}
