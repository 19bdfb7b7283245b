// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Loads a file with the code that Chrome DevTools itself loads it with, and
// says what came out. Needs Node 22 or later.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { cpuFaults, samplingFaults, snapshotFaults } from './faults.mjs';
import { summarize } from './summary.mjs';

export const formats = ['.cpuprofile', '.heapprofile', '.heapsnapshot'];

const near = (a, b, part = 1e-6) => Math.abs(a - b) <= part * Math.max(Math.abs(a), Math.abs(b));

// What both the old profiler and the Performance panel do with it: the model of
// the profile, and the trace engine around the same model.
async function cpu({ CPUProfile, Trace }, text, errors) {
  const raw = JSON.parse(text);
  const { faults, endless } = cpuFaults(raw);
  errors.push(...faults);
  if (endless) return {};
  const model = new CPUProfile.CPUProfileDataModel.CPUProfileDataModel(JSON.parse(text));
  const own = new Map();
  let opened = 0, closed = 0;
  model.forEachFrame(() => { opened++; }, (depth, node, sample, start, duration, self) => {
    closed++;
    own.set(node, (own.get(node) ?? 0) + self);
  });
  const nodes = model.nodes().length;
  if (nodes !== raw.nodes.length) errors.push(`DevTools has ${nodes} of ${raw.nodes.length} nodes`);
  const lost = model.samples.filter((id, i) => model.nodeByIndex(i) === null).length;
  if (lost > 0) errors.push(`DevTools has no node for ${lost} samples`);
  // Each hit counts as an equal part of the whole time.
  const total = (raw.endTime - raw.startTime) / 1000;
  if (!near(model.total, total)) errors.push(`DevTools finds ${model.total} of ${total} ms`);
  if (opened !== closed) errors.push(`DevTools opens ${opened} frames and closes ${closed}`);

  const { SamplesIntegrator } = Trace.Helpers.SamplesIntegrator;
  const file = SamplesIntegrator.createFakeTraceFromCpuProfile(raw, 1);
  const engine = Trace.TraceModel.Model.createWithAllHandlers();
  await engine.parse(file.traceEvents, { metadata: file.metadata });
  const threads = [...engine.parsedTrace().data.Samples.profilesInProcess.values()]
    .flatMap((process) => [...process.values()]);
  const frames = threads.reduce((sum, { profileCalls }) => sum + profileCalls.length, 0);
  if (threads.length !== 1 || frames !== opened) {
    errors.push(`the trace engine has ${frames} of ${opened} frames, of ${threads.length} threads`);
  }
  return {
    unit: 'ms', total, nodes, samples: model.samples.length, frames,
    ...summarize(model.profileHead, {
      name: (node) => node.functionName, self: (node) => own.get(node) ?? 0,
      children: (node) => node.children,
    }),
  };
}

function sampling({ SamplingHeapProfileModel }, text, errors) {
  const raw = JSON.parse(text);
  const { faults, nodes } = samplingFaults(raw);
  errors.push(...faults);
  const model = new SamplingHeapProfileModel(JSON.parse(text));
  const tree = { name: (node) => node.functionName, self: (node) => node.self,
                 children: (node) => node.children };
  // The other way to look at it: a part of the time line, here all of it. The
  // model leaves out what the root itself holds.
  const sum = raw.samples.reduce(
    (all, { nodeId, size }) => all + (nodeId === raw.head.id ? 0 : size), 0);
  const { busy } = summarize(new SamplingHeapProfileModel(JSON.parse(text), 1).root, tree);
  if (!near(busy, sum)) errors.push(`DevTools finds ${busy} of ${sum} bytes of the samples`);
  return { unit: 'bytes', total: model.total, nodes, samples: raw.samples.length,
           sampled: sum, ...summarize(model.root, tree) };
}

async function snapshot({ HeapSnapshotModel, HeapSnapshotWorker }, text, errors) {
  const { HeapSnapshotLoader, HeapSnapshot, HeapSnapshotWorkerDispatcher } = HeapSnapshotWorker;
  const dispatcher = new HeapSnapshotWorkerDispatcher.HeapSnapshotWorkerDispatcher(() => {});
  const loader = new HeapSnapshotLoader.HeapSnapshotLoader(dispatcher);
  const chunk = 2 ** 20;
  for (let at = 0; at < text.length; at += chunk) loader.write(text.slice(at, at + chunk));
  loader.close();
  // Its second worker may as well be this thread.
  const { port1, port2 } = new MessageChannel();
  new HeapSnapshot.SecondaryInitManager(port2);
  let model;
  try {
    model = await loader.buildSnapshot(port1);
  } finally {
    port1.close();
    port2.close();
  }
  errors.push(...snapshotFaults(JSON.parse(text)).faults);
  const classes = Object.values(
    model.aggregatesWithFilter(new HeapSnapshotModel.HeapSnapshotModel.NodeFilter()))
    .map(({ name, count, self, maxRet }) => ({ name, count, self, retained: maxRet })).sort((a, b) => b.self - a.self);
  const retained = model.rootNode().retainedSize();
  if (retained !== model.totalSize) {
    errors.push(`the root retains ${retained} of ${model.totalSize} bytes`);
  }
  return { unit: 'bytes', total: model.totalSize, nodes: model.nodeCount,
           parts: model.getStatistics(), classes };
}

export async function load(folder, file) {
  const code = await import(pathToFileURL(path.join(folder, 'devtools.mjs')));
  const errors = [];
  const warnings = [];
  const { error, warn } = console;
  console.error = (...words) => errors.push(`DevTools says ${words.join(' ')}`);
  console.warn = (...words) => warnings.push(words.join(' '));
  let found = {};
  try {
    const text = readFileSync(file, 'utf8');
    const how = { '.cpuprofile': cpu, '.heapprofile': sampling, '.heapsnapshot': snapshot };
    found = await how[path.extname(file)](code, text, errors);
  } catch (failure) {
    errors.push(`${failure}`);
  } finally {
    Object.assign(console, { error, warn });
  }
  return { file, loader: 'devtools', ...found, warnings, errors };
}
