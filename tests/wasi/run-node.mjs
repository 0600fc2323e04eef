#!/usr/bin/env -S node --no-warnings
// Runs a WASI preview 1 command under node:wasi, as cargo's runner for wasm32-wasip1 and by hand:
//
//   tests/wasi/run-node.mjs [--dir HOST::GUEST].. [--no-dir] PROGRAM.wasm [ARGUMENT..]
//
// Without --dir the program gets a fresh directory as /data and, since tests read fixtures, the
// repository under its own path. The exit status is the program's, 134 if it trapped.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WASI } from 'node:wasi'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const words = process.argv.slice(2)
const preopens = {}
let scratch
let given = false
while (words[0]?.startsWith('--')) {
  const flag = words.shift()
  if (flag === '--dir') {
    const [host, guest = host] = words.shift().split('::')
    preopens[guest] = resolve(host)
  } else if (flag !== '--no-dir') {
    console.error(`run-node: unknown flag ${flag}`)
    process.exit(2)
  }
  given = true
}
if (words.length === 0) {
  console.error('run-node: name a program')
  process.exit(2)
}
const { SILTSTONE_TELL: tell, ...environment } = process.env
if (!given && !tell) {
  // Node now and then crashes while it ends, with optimizing compilers still at work. As cargo's
  // runner it runs in a process of its own, which tells how the program ended before it ends itself.
  const self = fileURLToPath(import.meta.url)
  const { status, output } = spawnSync(process.execPath, ['--no-warnings', self, ...words], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...environment, SILTSTONE_TELL: '3' },
  })
  const told = String(output?.[3] ?? '')
  process.exit(told === '' ? (status ?? 134) : Number(told))
}
if (!given) {
  scratch = mkdtempSync(join(tmpdir(), 'siltstone-wasi-'))
  preopens['/data'] = scratch
  preopens[root] = root
}
const [program, ...rest] = words
const wasi = new WASI({
  version: 'preview1',
  args: ['siltstone', ...rest],
  env: { ...environment, TMPDIR: '/data' },
  preopens,
  returnOnExit: true,
})
const module = await WebAssembly.compile(readFileSync(program))
const instance = await WebAssembly.instantiate(module, wasi.getImportObject())
try {
  process.exitCode = wasi.start(instance)
} catch (error) {
  if (!(error instanceof WebAssembly.RuntimeError)) throw error
  console.error(`run-node: ${program} trapped: ${error.message}`)
  if (process.env.SILTSTONE_TRACE) console.error(error.stack)
  process.exitCode = 134
}
if (scratch) rmSync(scratch, { recursive: true, force: true })
if (tell) writeSync(Number(tell), String(process.exitCode))
