// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// All that happens to one incident: upload, proof, alert, command. After each
// step the marker in its directory says so, and a later run goes on from there.

const fs = require('node:fs');
const path = require('node:path');
const alert = require('./alert');
const { plain } = require('./body');
const command = require('./command');
const { folder } = require('./identity');
const { facts: factsOf, kManifest, kMarker } = require('./incident');
const links = require('./links');
const { reasonOf } = require('./retry');
const state = require('./state');
const { BadFile } = require('./upload');

const kGone = 'it was removed from the disk before';

const isDone = (dir, name) => state.read(path.join(dir, name), kMarker)?.done === true;

class One {
  // `run` is what all incidents of a run share: dir, config, who, client, uploader
  // (null: no upload), spool, signal, say, policies.
  constructor(run, name) {
    this.run = run;
    this.name = name;
    this.dir = path.join(run.dir, name);
    this.failures = [];
  }

  get gone() {
    return !fs.existsSync(this.dir);
  }

  // Durable, unless the incident has just been evicted: then nobody will look.
  save() {
    try {
      state.write(this.dir, kMarker, this.marker);
    } catch (error) {
      if (!this.gone) throw error;
    }
  }

  // Resolves to 'shipped', 'failed' (something stays to do, or was given up) or
  // 'gone'.
  async ship() {
    this.facts = factsOf(this.run.dir, this.name);
    if (this.facts === null) {
      if (this.gone) return 'gone';
      this.run.say(`${this.name} has no incident.json that can be read; it is not shipped`);
      return 'failed';
    }
    const { id } = this.facts;
    const found = state.read(this.dir, kMarker);
    this.marker = found?.id === id ? found : { schema: 1, id, done: false };
    const uploaded = await this.upload();
    await this.alert(uploaded);
    await this.command();
    if (this.gone) return 'gone';
    const over = uploaded && (!this.run.config.alert || alert.isOver(this.marker.alert)) &&
      (!this.run.config.command || command.isOver(this.marker.command));
    if (over) Object.assign(this.marker, { done: true, at: new Date().toISOString() });
    this.save();
    this.tell(over);
    return over && this.failures.length === 0 ? 'shipped' : 'failed';
  }

  // Whether all that can be uploaded is, or nothing has to.
  async upload() {
    const { uploader, config, who, spool } = this.run;
    if (uploader === null) return true;
    const { marker, facts } = this;
    const store = uploader.store.name;
    if (marker.store !== store) Object.assign(marker, { store, uploaded: null, files: [], missing: [] });
    if (marker.uploaded) return true;
    if (this.run.storeError) return this.failed(`not uploaded: ${this.run.storeError}`);
    // Of a run that was ended: the service may have been renamed since.
    marker.folder ??= folder(config.upload.prefix, who, facts);
    marker.missing = [];
    uploader.spool = spool.of(this.name);
    for (const file of facts.files) {
      if (marker.files.some(({ name }) => name === file.name)) continue;
      try {
        marker.files.push(await uploader.file(path.join(this.dir, file.name), file, marker.folder));
      } catch (error) {
        if (this.gone) return this.failed(kGone);
        const own = error instanceof BadFile || error.code === 'ENOENT' || error.code === 'ELOOP';
        if (!own) {
          // The others would only meet the same.
          if (error.status !== 400 && error.status !== 413) this.run.storeError = reasonOf(error);
          return this.failed(`not uploaded: ${reasonOf(error)}`);
        }
        marker.missing.push({ name: file.name, error: error instanceof BadFile ? error.message : 'it cannot be opened' });
      }
      this.save();
    }
    marker.uploaded = new Date().toISOString();
    this.save();
    return true;
  }

  failed(text) {
    this.failures.push(text);
    this.uploadError = text.replace(/^not uploaded: /, '');
    return false;
  }

  async plain(uploaded) {
    const { run, marker, facts } = this;
    const shown = uploaded && run.uploader !== null;
    return plain(facts, run.who, {
      upload: { state: run.uploader === null ? 'off' : shown ? 'verified' : 'failed', error: this.uploadError, missing: marker.missing },
      directory: this.dir, ...(shown && await links.all(run.config, run.uploader.store, marker.files)),
    });
  }

  async alert(uploaded) {
    const { config, client, signal, policy } = this.run;
    if (!config.alert) return;
    this.marker.alert = await alert.send({
      config, client, facts: this.facts, state: this.marker.alert, signal, policy: policy?.alert,
      save: (next) => { this.marker.alert = next; this.save(); }, make: () => this.plain(uploaded),
    });
    this.settle('alert');
  }

  async command() {
    const { config, env, signal, policy } = this.run;
    if (!config.command || this.gone) return;
    this.marker.command = await command.run({
      command: config.command, env, facts: this.facts, manifest: path.join(this.dir, kManifest), signal,
      state: this.marker.command, policy: policy?.command, mostMs: policy?.commandMs,
      save: (next) => { this.marker.command = next; this.save(); },
    });
    this.settle('command');
  }

  settle(what) {
    const { error, said } = this.marker[what];
    if (!error || said) return;
    this.failures.push(`${what === 'alert' ? 'the alert failed' : 'VIGIL_ON_INCIDENT failed'}: ${error}`);
    // In the marker, too, so that the next run does not say it again.
    this.marker[what].said = true;
    this.save();
  }

  tell(over) {
    const { marker, run, name } = this;
    const did = [];
    if (marker.uploaded && run.uploader) did.push(`uploaded to s3://${run.uploader.store.bucket}/${marker.folder}/`);
    if (marker.alert?.state === 'sent') did.push(`alert sent (${marker.alert.format})`);
    if (marker.alert?.state === 'old') did.push('no alert, it is older than a day');
    if (marker.command?.state === 'done') did.push('command ran');
    const missing = (marker.missing ?? []).map((m) => `${m.name}: ${m.error}`);
    const text = [...did, ...missing, ...this.failures].join('; ');
    if (text) run.say(`${name}: ${text}${over ? '' : '; it stays and is tried again'}`);
  }
}

module.exports = { One, isDone };
