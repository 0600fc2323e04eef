#!/usr/bin/env -S node --no-warnings
// Counts the calls a guest makes of its host, operation by operation, and refuses too many:
//
//   tests/wasi/hostcalls.mjs siltstone-wasi-guest.wasm
//
// The guest says on stderr what it is going to do and how often; every function the host offers is
// wrapped in a counter. Numbers are exact and the same on every machine.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WASI } from 'node:wasi'

// What one operation may cost at most: calls of each function. A function not named may not be called.
const BOUNDS = {
  'cached get': {},
  'get of a missing key': {},
  'get from the tree': {},
  'cached scan': {},
  insert: { fd_pwrite: 1 },
  'transaction of 100 inserts': { fd_pwrite: 1 },
  'full insert': { fd_pwrite: 1, fd_datasync: 1 },
}
// Beyond that, over all of them: the log lets its file grow ahead now and then.
const UPKEEP = { 'full insert': { fd_pwrite: 4, fd_filestat_get: 3 } }
const TOTALS = { 'open of a closed database': 20, 'first scan': 60 }

const folder = mkdtempSync(join(tmpdir(), 'siltstone-calls-'))
const wasi = new WASI({
  version: 'preview1',
  args: ['guest', 'calls', '/data/calls.lsm'],
  env: {},
  preopens: { '/data': folder },
  returnOnExit: true,
})
const sections = []
let memory
const counted = {}
for (const [name, call] of Object.entries(wasi.wasiImport)) {
  counted[name] = (...words) => {
    if (name === 'fd_write' && words[0] === 2) {
      const text = written(words[1], words[2])
      const mark = /^mark (.*) = (\d+)/.exec(text)
      if (mark) {
        sections.push({ what: mark[1], count: Number(mark[2]), calls: {} })
        return succeed(words[3], text.length)
      }
    }
    const section = sections.at(-1)
    if (section) section.calls[name] = (section.calls[name] ?? 0) + 1
    return call(...words)
  }
}

// The text of an array of slices.
function written(slices, count) {
  const view = new DataView(memory.buffer)
  let text = ''
  for (let at = slices; at < slices + 8 * count; at += 8) {
    const bytes = new Uint8Array(memory.buffer, view.getUint32(at, true), view.getUint32(at + 4, true))
    text += new TextDecoder().decode(bytes)
  }
  return text
}

function succeed(place, length) {
  new DataView(memory.buffer).setUint32(place, length, true)
  return 0
}

const module = await WebAssembly.compile(readFileSync(process.argv[2]))
const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: counted })
memory = instance.exports.memory
const status = wasi.start(instance)
rmSync(folder, { recursive: true, force: true })

const problems = status === 0 ? [] : [`the guest ended with ${status}`]
for (const { what, count, calls } of sections.slice(0, -1)) {
  const shown = Object.entries(calls).map(([name, number]) => `${name} ${number / count}`)
  console.log(`${what.padEnd(28)} ${shown.join(', ') || 'none'}`)
  const total = Object.values(calls).reduce((sum, number) => sum + number, 0)
  if (what in TOTALS && total > TOTALS[what]) {
    problems.push(`${what}: ${total} calls, at most ${TOTALS[what]}`)
  }
  for (const [name, number] of what in BOUNDS ? Object.entries(calls) : []) {
    const bound = (BOUNDS[what][name] ?? 0) * count + (UPKEEP[what]?.[name] ?? 0)
    if (number > bound) problems.push(`${what}: ${number} x ${name}, at most ${bound}`)
  }
}
for (const what of [...Object.keys(BOUNDS), ...Object.keys(TOTALS)]) {
  if (!sections.some((section) => section.what === what)) problems.push(`${what}: not measured`)
}
for (const problem of problems) console.error(`hostcalls: ${problem}`)
process.exitCode = problems.length === 0 ? 0 : 1
