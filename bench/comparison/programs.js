// Builds the servers that are written in Rust: by a profile of their use, as docs/deploy.md describes, or without.
'use strict';

const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } = require('node:fs');
const { join } = require('node:path');

const { run } = require('./run');

const BUILD = ['build', '--profile', 'production', '--quiet', '--locked'];

/** Builds a program, with these variables of the environment. Returns where it is. */
function build(source, options, directory, program, environment = {}) {
  run('cargo', [...BUILD, '--target-dir', directory, ...options, '--bin', program], source, environment);
  return join(directory, environment.CARGO_BUILD_TARGET ?? '', 'production', program);
}

/**
 * Builds a program by a profile of its use. `train` has the program at a path used, with the variables of the environment
 * that it is given; it is built and used for it again only when it has changed.
 */
async function buildGuided(source, options, directory, program, train) {
  const host = rustc(['--print', 'host-tuple']).trim();
  const merge = merger(host);
  // `RUSTFLAGS` would be split at spaces; and without a target, build scripts would be built so too.
  const compile = (into, flag) =>
    build(source, options, into, program, { CARGO_ENCODED_RUSTFLAGS: flag, CARGO_BUILD_TARGET: host });
  const raw = join(directory, 'raw');
  const profiled = compile(join(directory, 'profiled'), `-Cprofile-generate=${raw}`);
  // Its name is of what was used: by another name, Cargo sees that the program is to be built again.
  const profile = join(directory, `${digest(profiled)}.profdata`);
  if (!existsSync(profile)) {
    rmSync(raw, { recursive: true, force: true });
    mkdirSync(raw, { recursive: true });
    await train(profiled, { LLVM_PROFILE_FILE: join(raw, '%p.profraw') });
    // Never half a profile by that name.
    run(merge, ['merge', '-o', `${profile}.new`, ...readdirSync(raw).map((name) => join(raw, name))], directory);
    renameSync(`${profile}.new`, profile);
  }
  return compile(join(directory, 'built'), `-Cprofile-use=${profile}`);
}

/** The `llvm-profdata` of the LLVM that the compiler has: rustup's, or else Debian's, installed if it is missing. */
function merger(host) {
  const [, major] = /LLVM version: (\d+)/.exec(rustc(['-vV']));
  const name = `llvm-profdata-${major}`;
  const rustups = join(rustc(['--print', 'sysroot']).trim(), 'lib/rustlib', host, 'bin/llvm-profdata');
  if (existsSync(rustups)) return rustups;
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return name;
  } catch {
    console.error(`installing llvm-${major}, for ${name}; --plain builds without`);
  }
  run('apt-get', ['update', '-qq'], '/');
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', `llvm-${major}`], '/');
  return name;
}

function rustc(options) {
  return execFileSync('rustc', options, { encoding: 'utf8' });
}

function digest(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
}

module.exports = { build, buildGuided };
