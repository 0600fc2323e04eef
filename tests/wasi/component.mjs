#!/usr/bin/env node
// The component `siltstone:kv` called from Node, through jco: what Python does in component.py, in
// short, and large values, which take long there. The file is checked by the native command.
//
//   tests/wasi/component.mjs FOLDER PACKAGES     (run by `cargo xtask wasi`)
//
// FOLDER holds the component as `siltstone-kv.wasm`, and the native `siltstone`; PACKAGES what
// `npm ci` made of tests/wasi/node.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, packages] = process.argv.slice(2).map(path => resolve(path));
const installed = createRequire(join(packages, 'package.json'));
const load = name => import(pathToFileURL(installed.resolve(name)));
const { transpile } = await load('@bytecodealliance/jco-transpile');
const { WASIShim } = await load('@bytecodealliance/preview2-shim/instantiation');

const made = join(packages, 'component');
const { files } = await transpile(join(folder, 'siltstone-kv.wasm'), {
    name: 'siltstone', instantiation: 'async', outDir: made, emitTypescriptDeclarations: false,
});
for (const [name, source] of Object.entries(files)) {
    mkdirSync(dirname(name), { recursive: true });
    writeFileSync(name, source);
}
const { instantiate } = await import(pathToFileURL(join(made, 'siltstone.js')));

const scratch = mkdtempSync(join(tmpdir(), 'siltstone-node-'));
const text = string => new TextEncoder().encode(string);
const string = bytes => bytes && new TextDecoder().decode(bytes);

async function instance() {
    const shim = new WASIShim({ sandbox: { preopens: { '/data': scratch }, env: {} } });
    const core = async name => new WebAssembly.Module(readFileSync(join(made, name)));
    const root = await instantiate(core, shim.getImportObject());
    return root.store;
}

function refused(kind, call) {
    try {
        call();
    } catch (thrown) {
        const error = thrown.payload ?? thrown;
        assert.equal(error.kind, kind, `${error.message ?? thrown}`);
        return error;
    }
    return assert.fail(`no error, but ${kind} is due`);
}

const drop = held => held[Symbol.dispose]();

try {
    const { Database } = await instance();
    refused('io', () => Database.open('/data/app.lsm', { create: false }));
    refused('misuse', () => Database.open('/data/app.lsm', { pageSize: 1000 }));
    refused('cannot-open', () => Database.open('/data/../app.lsm', {}));
    const database = Database.open('/data/app.lsm', { durability: 'full', autoflush: 65536n });
    const elsewhere = await instance();
    refused('busy', () => elsewhere.Database.open('/data/app.lsm', { busyTimeout: 0n }));

    // Single calls, batches, ranges.
    database.put(text('apple'), text('red'));
    assert.equal(string(database.get(text('apple'))), 'red');
    assert.equal(database.get(text('pear')), undefined);
    const rows = Array.from({ length: 1000 }, (_, i) => [text(`key ${1000 + i}`), text(`${i * i}`)]);
    database.apply(rows.map(val => ({ tag: 'put', val })));
    database.deleteRange({ tag: 'included', val: text('key 1900') }, { tag: 'unbounded' });
    database.put(new Uint8Array(), new Uint8Array());
    assert.equal(database.get(new Uint8Array()).length, 0);

    // A scan in batches.
    const cursor = database.cursor();
    assert.ok(cursor.seek(text('key'), 'at-least'));
    let read = 0;
    for (let batch; (batch = cursor.readBatch(256, 1 << 20)).length > 0; read += batch.length) {
        assert.equal(string(batch[0][0]), `key ${1000 + read}`);
    }
    assert.equal(read, 900);
    assert.ok(cursor.last());
    assert.equal(string(cursor.key()), 'key 1899');
    refused('busy', () => database.close());
    drop(cursor);

    // A transaction with savepoints, and what outlives it.
    const transaction = database.begin();
    refused('busy', () => database.begin());
    refused('busy', () => database.put(text('x'), text('y')));
    transaction.put(text('banana'), text('yellow'));
    const savepoint = transaction.savepoint();
    transaction.delete(text('apple'));
    savepoint.rollback();
    const inside = transaction.cursor();
    const left = transaction.savepoint();
    assert.ok(inside.first());
    transaction.commit();
    const error = refused('misuse', () => transaction.put(text('late'), text('')));
    assert.deepEqual([error.name, error.code, error.path], ['Misuse', 21, '/data/app.lsm']);
    refused('misuse', () => inside.next());
    refused('misuse', () => left.release());
    drop(transaction);
    for (const held of [left, inside, savepoint]) drop(held);
    const undone = database.begin();
    undone.put(text('late'), text(''));
    drop(undone);
    assert.equal(database.containsKey(text('late')), false);

    // A value of 16 MiB, there and back.
    const large = new Uint8Array(16 << 20).map((_, i) => (i * 31) >> 3);
    database.put(text('large'), large);
    assert.equal(Buffer.compare(database.get(text('large')), large), 0);
    const snapshot = database.snapshot();
    database.compact();
    assert.deepEqual(database.check().problems, []);
    assert.equal(database.stats().levelCount, 1);
    assert.equal(snapshot.get(text('large')).length, large.length);
    drop(snapshot);
    database.close();
    refused('misuse', () => database.get(text('apple')));
    assert.ok(!existsSync(join(scratch, 'app.lsm-lock')));

    const native = (...words) => execFileSync(join(folder, 'siltstone'), words).toString();
    native('check', join(scratch, 'app.lsm'));
    assert.equal(native('get', join(scratch, 'app.lsm'), 'banana').trim(), 'yellow');
    console.log('component.mjs: ok');
} finally {
    rmSync(scratch, { recursive: true, force: true });
}
process.exit(process.exitCode ?? 0);
