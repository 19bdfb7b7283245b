// Copyright Node Vigil contributors.
// SPDX-License-Identifier: MIT

// A Ceph cluster of one monitor and one store in memory, with its S3 gateway
// (radosgw) on loopback: a real S3 with accounts, SigV4 and conditional writes.

import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { App, until } from '../integration/helpers.mjs';
import { freePort, run } from './debian.mjs';

export const KEYS = { id: 'AKIDVIGILTEST', secret: 'a/secret+key/of/the/test' };

const settings = (dir, lib, port, fsid) => `[global]
fsid = ${fsid}
mon_host = v2:127.0.0.1:${port}
public_addr = 127.0.0.1
ms_bind_msgr1 = false
keyring = ${dir}/keyring
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mon_data_avail_warn = 1
mon_data = ${dir}/mon
osd_data = ${dir}/osd
osd_journal =
rgw_data = ${dir}/rgw
rgw_enable_apis = s3
rgw_rados_pool_pg_num_min = 1
rgw_thread_pool_size = 64
rgw_dynamic_resharding = false
plugin_dir = ${lib}/ceph
erasure_code_dir = ${lib}/ceph/erasure-code
osd_class_dir = ${lib}/rados-classes
run_dir = ${dir}
admin_socket = ${dir}/$name.asok
pid_file = ${dir}/$name.pid
log_file = ${dir}/$name.log
mon_cluster_log_file = ${dir}/cluster.log
`;

// `t` has after(); resolves to { url, dir, log() }.
export async function ceph(t, { root, env, bin }) {
  // The name of a socket in it is bounded.
  const dir = mkdtempSync(path.join(tmpdir(), 'ceph-'));
  const lib = path.join(root, 'usr/lib/x86_64-linux-gnu');
  const fsid = randomUUID();
  const conf = path.join(dir, 'ceph.conf');
  for (const name of ['mon', 'osd', 'rgw']) mkdirSync(path.join(dir, name));
  const mon = await freePort();
  writeFileSync(conf, settings(dir, lib, mon, fsid));
  const keyring = path.join(dir, 'keyring');
  const tool = (name, ...args) => run(bin(name), args, { env });
  await tool('monmaptool', '--create', '--addv', 'a', `[v2:127.0.0.1:${mon}]`, '--fsid', fsid, path.join(dir, 'monmap'));
  await tool('ceph-authtool', '--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *');
  for (const name of ['client.admin', 'client.rgw', 'osd.0']) {
    await tool('ceph-authtool', keyring, '--gen-key', '-n', name, '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *');
  }
  await tool('ceph-mon', '-c', conf, '--mkfs', '-i', 'a', '--monmap', path.join(dir, 'monmap'), '--keyring', keyring);

  const apps = [];
  // Ended in turn, the gateway first, and the folder after them.
  t.after(async () => {
    for (const app of apps.reverse()) {
      app.kill('SIGKILL');
      await app.exit();
    }
    rmSync(dir, { recursive: true, force: true });
  });
  const daemon = (name, ...args) => {
    const app = new App({ after() {} }, ['-c', conf, '-f', ...args], { bin: bin(name), env });
    apps.push(app);
    return app;
  };
  daemon('ceph-mon', '-i', 'a');
  const uuid = randomUUID();
  await run('/usr/bin/python3', [bin('ceph'), '-c', conf, '--connect-timeout', '60', 'osd', 'new', uuid], { env });
  await tool('ceph-osd', '-c', conf, '-i', '0', '--mkfs', '--osd-uuid', uuid, '--no-mon-config');
  daemon('ceph-osd', '-i', '0');
  await tool('radosgw-admin', '-c', conf, '-n', 'client.rgw', 'user', 'create', '--uid=vigil', '--display-name=vigil',
             `--access-key=${KEYS.id}`, `--secret-key=${KEYS.secret}`);
  const port = await freePort();
  const gateway = daemon('radosgw', '-n', 'client.rgw', '--rgw_frontends', `beast endpoint=127.0.0.1:${port}`);
  const url = `http://127.0.0.1:${port}`;
  await until(() => {
    if (gateway.exited) throw new Error(`radosgw ended: ${gateway.said()}`);
    return fetch(url, { signal: AbortSignal.timeout(2_000) }).then(({ ok }) => ok, () => false);
  }, () => `answer of radosgw; it said ${gateway.said()}`, 120_000);
  // A line of the access log for each request.
  const requests = () => readFileSync(path.join(dir, 'client.rgw.log'), 'utf8').split('\n').filter((line) => line.includes('beast: '));
  return { url, port, requests };
}

// The environment of the shipper for this store.
export const environmentFor = (url, upload = 's3://evidence/prod') => ({
  AWS_ACCESS_KEY_ID: KEYS.id, AWS_SECRET_ACCESS_KEY: KEYS.secret, AWS_EC2_METADATA_DISABLED: 'true',
  VIGIL_UPLOAD: upload, VIGIL_UPLOAD_ENDPOINT: url, VIGIL_SERVICE: 'shop', VIGIL_VERSION: '1.2.0',
});
