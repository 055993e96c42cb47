// What was measured, kept in a file that is written after each workload, so that a run can be taken up again.
'use strict';

const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { dirname } = require('node:path');

class Results {
  constructor(path) {
    this.path = path;
    this.rows = {};
    try {
      this.rows = JSON.parse(readFileSync(path, 'utf8'));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }

  clear() {
    this.rows = {};
    this.save();
  }

  put(id, row) {
    this.rows[id] = row;
    this.save();
  }

  save() {
    mkdirSync(dirname(this.path), { recursive: true });
    // Never half a file.
    writeFileSync(`${this.path}.new`, JSON.stringify(this.rows, null, 1));
    renameSync(`${this.path}.new`, this.path);
  }
}

module.exports = { Results };
