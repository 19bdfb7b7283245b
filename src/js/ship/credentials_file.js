// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

'use strict';

// ~/.aws/credentials: keys of a profile. Other ways to get some that stand there
// (credential_process, role_arn, SSO) are not followed.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

function profiles(text) {
  const all = {};
  let section = null;
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/.exec(line) ?? [];
    if (name !== undefined) section = all[name] = Object.create(null);
    const [, key, value] = /^([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && section !== null) section[key.toLowerCase()] = value;
  }
  return all;
}

function read(env, complete) {
  const file = env.AWS_SHARED_CREDENTIALS_FILE || path.join(env.HOME || os.homedir(), '.aws', 'credentials');
  let text;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' && !env.AWS_PROFILE) return null;
    throw error;
  }
  const found = profiles(text)[env.AWS_PROFILE || 'default'];
  if (found === undefined && !env.AWS_PROFILE) return null;
  const keys = complete({ accessKeyId: found?.aws_access_key_id, secretAccessKey: found?.aws_secret_access_key,
                          sessionToken: found?.aws_session_token });
  if (keys === null && env.AWS_PROFILE) throw Object.assign(new Error(), { code: 'AWS_PROFILE has no keys there' });
  return keys;
}

module.exports = { read, profiles };
