// Lines of text from rustdoc's JSON: what of a crate is public. A line says all of one item, so that lines that went or
// changed are what breaks users.
'use strict';

const STD = new Set(['std', 'core', 'alloc']);
/** What everybody reads without its path. */
const PRELUDE = new Set(
  'AsMut AsRef Box Clone Copy Debug Default Display Eq Error Fn FnMut FnOnce From FromIterator FromStr Future Hash Into IntoIterator Iterator Option Ord PartialEq PartialOrd Pin Result Send Sized String Sync ToString TryFrom TryInto Unpin Vec'.split(' '),
);
/** Of the traits that the compiler implements by itself, those that are promised. */
const AUTO = new Set(['Send', 'Sync']);
/** Of the crates read so far: from where an item is defined to where it is public. */
const publicPaths = new Map();

/** One crate. */
class Api {
  constructor(name, json) {
    const { root, index, paths, external_crates: crates } = json;
    Object.assign(this, { name, root, index, paths, crates });
    this.lines = [];
    /** Foreign crate, to one line in which it appears. */
    this.foreign = new Map();
    /** Public paths within the crate by item, the shortest first: modules are walked in breadth. */
    this.public = new Map();
    this.walk();
    for (const [id, paths] of this.public) {
      publicPaths.set(this.paths[id]?.path.join('::'), [this.name, ...paths[0]].join('::'));
    }
    for (const [id, paths] of this.public) this.item(this.index[id], paths);
    const key = ({ at, head, text }) => `${at} ${head} ${text.replace(/^#\[\w+\] /, '')}`;
    this.lines.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }

  walk() {
    const queue = [[this.index[this.root], []]];
    for (const [module, at] of queue) {
      for (const id of module.inner.module.items) {
        const item = this.index[id];
        const { use } = item.inner;
        const shown = use ? this.index[use.id] : item;
        const path = [...at, use?.name ?? item.name];
        if (use?.is_glob) throw new Error(`${use.source}::* is re-exported: name what is public`);
        if (!shown) this.reexport(use, path);
        else if (this.public.has(shown.id)) this.public.get(shown.id).push(path);
        else this.public.set(shown.id, [path]);
        if (shown?.inner.module) queue.push([shown, path]);
      }
    }
  }

  /** Of another crate's item. */
  reexport(use, path) {
    const at = path.join('::');
    this.line('', `pub use ${use.id === null ? use.source : this.path(use.id, at)} as ${at}`);
  }

  line(at, text, head = 1) {
    this.lines.push({ at, head, text });
  }

  item(item, [path, ...others]) {
    const at = path.join('::');
    const [kind, it] = Object.entries(item.inner)[0];
    this.at = at;
    for (const other of others) this.line('', `pub use ${at} as ${other.join('::')}`);
    const head = (text) => this.line(at, `${this.attributes(item)}pub ${text}`, 0);
    const names = (ids) => ids.map((id) => this.index[id].name).join(', ');
    const generics = it.generics ? this.generics(it.generics) : ['', ''];
    const grows = item.attrs.includes('non_exhaustive');
    if (kind === 'module') return head(`mod ${at}`);
    if (kind === 'function') return head(this.function(at, it));
    if (kind === 'constant') return head(`const ${at}: ${this.type(it.type)}`);
    if (kind === 'type_alias') return head(`type ${at}${generics[0]} = ${this.type(it.type)}${generics[1]}`);
    if (kind === 'trait') {
      const required = it.items.filter((id) => !this.index[id].inner.function?.has_body);
      const bounds = it.bounds.length ? `: ${this.bounds(it.bounds)}` : '';
      head(`trait ${at}${generics[0]}${bounds}${generics[1]} { ${names(required)} }`);
      return it.items.forEach((id) => this.member(at, this.index[id], ''));
    }
    if (kind === 'enum') {
      head(`enum ${at}${generics.join('')}${grows ? '' : ` { ${names(it.variants)} }`}`);
      for (const id of it.variants) this.variant(at, this.index[id]);
    } else if (kind === 'struct') {
      head(`struct ${at}${generics.join('')}${this.shape(it.kind, grows)}`);
      for (const id of it.kind.plain?.fields ?? []) {
        const field = this.index[id];
        this.line(at, `pub ${at}::${field.name}: ${this.type(field.inner.struct_field)}`);
      }
    } else throw new Error(`${at}: ${kind} is unknown to .ci/api`);
    for (const id of it.impls) this.impl(at, this.index[id].inner.impl);
  }

  /** The fields of a struct or a variant; all their names where adding one would break. */
  shape(kind, grows) {
    if (kind === 'unit' || kind === 'plain') return '';
    const type = (id) => (id === null ? '_' : this.type(this.index[id].inner.struct_field));
    if (kind.tuple) return `(${kind.tuple.map(type).join(', ')})`;
    const { fields, has_stripped_fields: more } = kind.plain;
    return more || grows ? ' { .. }' : ` { ${fields.map((id) => this.index[id].name).join(', ')} }`;
  }

  variant(at, { name, inner, attrs }) {
    const { kind } = inner.variant;
    const fields = kind.struct?.fields.map((id) => `${this.index[id].name}: ${this.type(this.index[id].inner.struct_field)}`);
    const shape = fields ? ` { ${fields.join(', ')} }` : this.shape(kind, false);
    this.line(at, `${attrs.includes('non_exhaustive') ? '#[non_exhaustive] ' : ''}pub ${at}::${name}${shape}`);
  }

  impl(at, it) {
    if (it.blanket_impl) return;
    if (!it.trait) return it.items.forEach((id) => this.member(at, this.index[id], 'pub ', it));
    const trait = this.bound(it.trait);
    if (trait === 'core::marker::StructuralPartialEq' || trait === 'Unpin' || (it.is_synthetic && !AUTO.has(trait))) return;
    const [params, where] = this.generics(it.generics);
    const types = it.items
      .map((id) => this.index[id])
      .filter(({ inner }) => inner.assoc_type)
      .map(({ name, inner }) => ` { type ${name} = ${this.type(inner.assoc_type.type)} }`);
    this.line(at, `impl${params} ${it.is_negative ? '!' : ''}${trait} for ${this.type(it.for)}${where}${types.join('')}`);
  }

  member(at, item, visible, impl) {
    const path = `${at}::${item.name}`;
    const { function: method, assoc_const: constant, assoc_type: type } = item.inner;
    // The bounds of an `impl` block hold for its methods alone.
    const block = impl && this.generics(impl.generics)[1];
    const of = block ? ` (${this.type(impl.for)}${block})` : '';
    if (method) this.line(at, `${this.attributes(item)}${visible}${this.function(path, method)}${visible || !method.has_body ? '' : ' { .. }'}${of}`);
    else if (constant) this.line(at, `${visible}const ${path}: ${this.type(constant.type)}${of}`);
    else this.line(at, `type ${path}${type.bounds.length ? `: ${this.bounds(type.bounds)}` : ''}`);
  }

  attributes({ attrs, deprecation }) {
    const shown = [];
    if (deprecation) shown.push('#[deprecated] ');
    if (attrs.some((attribute) => attribute.must_use)) shown.push('#[must_use] ');
    if (attrs.includes('non_exhaustive')) shown.push('#[non_exhaustive] ');
    return shown.join('');
  }

  function(path, { sig, generics, header }) {
    const [params, where] = this.generics(generics);
    const inputs = sig.inputs.map(([name, type]) => {
      const text = this.type(type);
      if (name !== 'self') return `${name}: ${text}`;
      return text === 'Self' ? 'self' : /^&('\w+ )?(mut )?Self$/.test(text) ? text.replace('Self', 'self') : `self: ${text}`;
    });
    const words = [header.is_const && 'const ', header.is_async && 'async ', header.is_unsafe && 'unsafe '].filter(Boolean).join('');
    return `${words}fn ${path}${params}(${inputs.join(', ')})${sig.output ? ` -> ${this.type(sig.output)}` : ''}${where}`;
  }

  /** Parameters and conditions; those that `impl Trait` and elision bring say themselves where they stand. */
  generics({ params, where_predicates: predicates }) {
    const shown = params.filter(({ kind }) => !kind.type?.is_synthetic).map(({ name, kind }) => {
      if (kind.const) return `const ${name}: ${this.type(kind.const.type)}`;
      const bounds = kind.type?.bounds ?? [];
      const less = kind.type?.default ? ` = ${this.type(kind.type.default)}` : '';
      return `${name}${bounds.length ? `: ${this.bounds(bounds)}` : ''}${less}`;
    });
    const conditions = predicates.map(({ bound_predicate: bound, lifetime_predicate: lifetime }) => {
      if (bound) return `${this.binder(bound.generic_params)}${this.type(bound.type)}: ${this.bounds(bound.bounds)}`;
      return `${lifetime.lifetime}: ${lifetime.outlives.join(' + ')}`;
    });
    return [shown.length ? `<${shown.join(', ')}>` : '', conditions.length ? ` where ${conditions.join(', ')}` : ''];
  }

  binder(params = []) {
    return params.length ? `for<${params.map(({ name }) => name).join(', ')}> ` : '';
  }

  bounds(bounds) {
    return bounds.map(({ trait_bound: bound, outlives, use }) => {
      if (use) return `use<${use.map((one) => one.lifetime ?? one.param).join(', ')}>`;
      if (!bound) return outlives;
      return `${this.binder(bound.generic_params)}${bound.modifier === 'maybe' ? '?' : ''}${this.bound(bound.trait)}`;
    }).join(' + ');
  }

  bound({ id, args }) {
    return `${this.path(id, this.at)}${this.args(args)}`;
  }

  /** Where an item is public; `at` is said of the foreign crate in whose stead it stands. */
  path(id, at) {
    if (this.public.has(id)) return this.public.get(id)[0].join('::');
    const { crate_id: crate, path } = this.paths[id];
    const name = path.at(-1);
    if (crate === 0) throw new Error(`${at}: ${path.join('::')} is in the public API, but not public`);
    const from = this.crates[crate].name;
    if (STD.has(from)) return PRELUDE.has(name) && !path.includes('io') ? name : path.join('::');
    if (!from.startsWith('sockjs_') && !this.foreign.has(from)) this.foreign.set(from, at);
    return publicPaths.get(path.join('::')) ?? path.join('::');
  }

  args(args) {
    if (!args) return '';
    if (args.parenthesized) {
      const { inputs, output } = args.parenthesized;
      return `(${inputs.map((one) => this.type(one)).join(', ')})${output ? ` -> ${this.type(output)}` : ''}`;
    }
    const { args: plain, constraints } = args.angle_bracketed;
    const shown = plain.map((one) => one.lifetime ?? one.const?.expr ?? (one.type ? this.type(one.type) : '_'));
    for (const { name, args: inner, binding } of constraints) {
      const { equality, constraint } = binding;
      shown.push(`${name}${this.args(inner)}${equality ? ` = ${this.type(equality.type)}` : `: ${this.bounds(constraint)}`}`);
    }
    return shown.length ? `<${shown.join(', ')}>` : '';
  }

  type(type) {
    if (type === null) return '()';
    const [kind, it] = Object.entries(type)[0];
    const lifetime = it?.lifetime ? `${it.lifetime} ` : '';
    switch (kind) {
      case 'generic':
      case 'primitive':
        return it === 'never' ? '!' : it;
      case 'resolved_path':
        return this.bound(it);
      case 'borrowed_ref':
        return `&${lifetime}${it.is_mutable ? 'mut ' : ''}${this.type(it.type)}`;
      case 'raw_pointer':
        return `*${it.is_mutable ? 'mut' : 'const'} ${this.type(it.type)}`;
      case 'tuple':
        return `(${it.map((one) => this.type(one)).join(', ')})`;
      case 'slice':
        return `[${this.type(it)}]`;
      case 'array':
        return `[${this.type(it.type)}; ${it.len}]`;
      case 'impl_trait':
        return `impl ${this.bounds(it)}`;
      case 'dyn_trait': {
        const traits = it.traits.map(({ trait, generic_params: params }) => this.binder(params) + this.bound(trait));
        return `(dyn ${[...traits, ...(it.lifetime ? [it.lifetime] : [])].join(' + ')})`;
      }
      case 'function_pointer':
        return `fn(${it.sig.inputs.map(([, one]) => this.type(one)).join(', ')}) -> ${this.type(it.sig.output)}`;
      case 'qualified_path':
        return it.trait ? `<${this.type(it.self_type)} as ${this.bound(it.trait)}>::${it.name}${this.args(it.args)}` : `${this.type(it.self_type)}::${it.name}`;
      default:
        throw new Error(`${this.at}: a type of kind ${kind} is unknown to .ci/api`);
    }
  }

  text() {
    let last;
    return this.lines.map(({ at, head, text }) => {
      const gap = head === 0 && last !== undefined ? '\n' : '';
      last = at;
      return `${gap}${text}\n`;
    }).join('');
  }
}

/** The listing of a crate, and the foreign crates in it, each with a place. Dependencies are listed before their users. */
exports.list = (name, json) => {
  const api = new Api(name, json);
  return { text: api.text(), foreign: api.foreign };
};
