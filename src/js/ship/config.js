// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// The environment as settings. A value that is not understood gives one line, and
// what it asks for stays off, or at its default where that is harmless.

const value = require('./value');
const url = require('./url');

const kMostLink = 7 * 86_400_000;  // SigV4 signs for no longer.

const oneOf = (...names) => (text) => (names.includes(text) ? text : undefined);
const within = (parse, least, most) => (text) => {
  const v = parse(text);
  return v !== undefined && v >= least && v <= most ? v : undefined;
};

function bucket(text) {
  const [, name, prefix = ''] = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])(?:\/(.*))?$/.exec(text) ?? [];
  if (name === undefined || /\.\.|^\d+\.\d+\.\d+\.\d+$/.test(name)) return undefined;
  const parts = prefix.split('/').filter((p) => p !== '');
  if (parts.join('/').length > 400 || parts.some((p) => !/^[A-Za-z0-9!_.*'()=@+,-]+$/.test(p) || /^\.+$/.test(p))) {
    return undefined;
  }
  return { bucket: name, prefix: parts.join('/') };
}

function fleet(text) {
  const [, slots, period] = /^(\d{1,4})\/(\w+)$/.exec(text) ?? [];
  const periodMs = period && value.milliseconds(period);
  if (!(slots >= 1 && slots <= 1000) || !(periodMs >= 10_000 && periodMs <= 86_400_000)) return undefined;
  return { slots: Number(slots), periodMs };
}

const link = (text) => (text === 'presign' || /^https?:\/\/\S+\{key\}\S*$/.test(text) ? text : undefined);
const orOff = (parse) => (text) => (text === 'off' ? null : parse(text));
const address = (text) => url.checked(text);

// variable, member, default, parse, accepted form
const kTable = [
  ['VIGIL_UPLOAD', 'upload', null, orOff(bucket), 's3://bucket, s3://bucket/prefix, or off'],
  ['VIGIL_UPLOAD_ENDPOINT', 'endpoint', null, address, 'an https: URL, or http: on this host or a private network'],
  ['VIGIL_UPLOAD_PATH_STYLE', 'pathStyle', 'auto', oneOf('auto', 'on', 'off'), 'auto, on or off'],
  ['VIGIL_UPLOAD_COMPRESS', 'compress', 'gzip', oneOf('gzip', 'zstd', 'off'), 'gzip, zstd or off'],
  ['VIGIL_UPLOAD_RATE', 'rate', 10 * 2 ** 20, within(value.bytes, 2 ** 10, 2 ** 40), 'a size from 1KB to 1TB (512KB, 16MB, 1GB)'],
  ['VIGIL_LINK', 'link', 'presign', orOff(link), 'presign, off, or a URL with {key} and perhaps {bucket} in it'],
  ['VIGIL_LINK_TIME', 'linkMs', kMostLink, within(value.milliseconds, 60_000, kMostLink), 'a duration from 1m to 7d'],
  ['VIGIL_ALERT', 'alert', null, orOff(address), 'an https: URL, or http: on this host or a private network, or off'],
  ['VIGIL_ALERT_FORMAT', 'format', 'auto', oneOf('auto', 'plain', 'slack', 'pagerduty', 'alertmanager'),
   'auto, plain, slack, pagerduty or alertmanager'],
  ['VIGIL_ALERT_SECRET', 'secret', null, (t) => t, ''],
  ['VIGIL_ALERT_KEY', 'routingKey', null, (t) => t, ''],
  ['VIGIL_ON_INCIDENT', 'command', null, orOff((t) => t), ''],
  ['VIGIL_FLEET', 'fleet', null, orOff(fleet), 'slots and a period of 10s to 24h (3/1h), or off'],
];

// What must not be shown when it is wrong.
const kSecret = new Set(['VIGIL_ALERT', 'VIGIL_UPLOAD_ENDPOINT']);

function read(env, say) {
  const config = {};
  for (const [name, member, standard, parse, accepted] of kTable) {
    const text = env[name];
    config[member] = standard;
    if (text === undefined || text === '') continue;
    let reason = '';
    let parsed;
    try {
      parsed = parse(text);
    } catch (error) {
      reason = `: ${error.message}`;
    }
    if (parsed !== undefined) config[member] = parsed;
    else say(`${name}${kSecret.has(name) ? '' : `=${text.slice(0, 200)}`} is not understood${reason}; accepted: ${accepted}`);
  }
  if (config.upload) config.upload = { ...config.upload, ...where(env, config, say) };
  // To another place than was meant nothing goes.
  if (config.upload && config.upload.base === undefined) config.upload = null;
  if (config.alert) {
    config.format = config.format === 'auto' ? formatOf(config.alert) : config.format;
    if (config.format === 'pagerduty' && !config.routingKey) {
      say('VIGIL_ALERT_KEY is missing: PagerDuty takes nothing without a routing key; no alerts');
      config.alert = null;
    }
  }
  return config;
}

function formatOf({ hostname, pathname }) {
  if (hostname === 'hooks.slack.com') return 'slack';
  if (/^events(\.eu)?\.pagerduty\.com$/.test(hostname)) return 'pagerduty';
  return /\/api\/v2\/alerts\/?$/.test(pathname) ? 'alertmanager' : 'plain';
}

// The store's address: { base: URL, pathStyle, region }, no base when it is bad.
function where(env, config, say) {
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1';
  if (!/^[a-z0-9-]{1,40}$/i.test(region)) {
    say('AWS_REGION is not understood; accepted: a name such as eu-central-1; nothing is uploaded');
    return {};
  }
  let base = config.endpoint;
  if (base === null && env.VIGIL_UPLOAD_ENDPOINT) return {};
  const name = env.AWS_ENDPOINT_URL_S3 ? 'AWS_ENDPOINT_URL_S3' : 'AWS_ENDPOINT_URL';
  if (base === null && env[name]) {
    try {
      base = url.checked(env[name]);
    } catch (error) {
      say(`${name} is not understood: ${error.message}; nothing is uploaded`);
      return {};
    }
  }
  const custom = base !== null;
  base ??= new URL(`https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`);
  // A bucket with dots has no certificate as a host name.
  const pathStyle = config.pathStyle === 'auto' ? custom || config.upload.bucket.includes('.') : config.pathStyle === 'on';
  return { base, pathStyle, region };
}

module.exports = { read, formatOf };
