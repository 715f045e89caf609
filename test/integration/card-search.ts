// Looks for the id of a card in everything that a site leaves behind, in every form in which software tends to write text.
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { openDatabase } from '../../src/cloud/database.ts'

/** What one place held: files, answers, log lines, messages. Later looked at byte by byte. */
export type Places = Map<string, Buffer>

type Form = { readonly name: string; readonly bytes: Buffer }

/** Compared without regard to case, as Latin-1. */
export function formsOf(id: string): readonly Form[] {
  const ascii = Buffer.from(id, 'ascii')
  const codes = [...ascii]
  const each = (write: (code: number) => string): Buffer => Buffer.from(codes.map(write).join(''))
  const texts = [id, id.toLowerCase()]
  const digits = /^(?:[0-9A-F]{2})+$/i.test(id) ? [{ name: 'raw bytes', bytes: Buffer.from(id, 'hex') }] : []
  return [
    { name: 'as it is', bytes: ascii },
    { name: 'UTF-16', bytes: Buffer.from(id, 'utf16le').subarray(0, -1) },
    { name: 'percent-encoded', bytes: each(code => `%${code.toString(16)}`) },
    { name: 'JSON escapes', bytes: each(code => `\\u00${code.toString(16)}`) },
    { name: 'list of bytes', bytes: Buffer.from(codes.join(',')) },
    { name: 'object of bytes', bytes: Buffer.from(codes.map((code, i) => `"${i}":${code}`).join(',')) },
    ...texts.map(text => ({ name: 'hex', bytes: Buffer.from(Buffer.from(text).toString('hex')) })),
    ...texts.flatMap(base64Of),
    ...digits,
  ]
}

/** What is the same wherever the text stands in what was encoded: three ways to begin within three bytes. */
function base64Of(text: string): readonly Form[] {
  return [0, 1, 2].map(before => {
    const encoded = Buffer.from('~'.repeat(before) + text).toString('base64')
    const from = before === 0 ? 0 : before + 1
    const whole = Math.floor(((before + text.length) * 8) / 6)
    return { name: 'base64', bytes: Buffer.from(encoded.slice(from, whole)) }
  })
}

/** Where the id stands, and how; empty when it stands nowhere. */
export function findings(places: Places, ids: readonly string[]): readonly string[] {
  const forms = ids.flatMap(id => formsOf(id).map(form => ({ ...form, id })))
  const needles = forms.map(form => ({ ...form, text: form.bytes.toString('latin1').toLowerCase() }))
  return [...places].flatMap(([place, bytes]) => {
    const text = bytes.toString('latin1').toLowerCase()
    return needles
      .filter(needle => text.includes(needle.text))
      .map(({ id, name }) => `${place}: ${id} ${name}`)
  })
}

/** Every file below the folder; what LevelDB compressed is read out as well. Nobody may use the folder meanwhile. */
export async function filesIn(dir: string): Promise<Places> {
  const places: Places = new Map()
  const names = await readdir(dir, { recursive: true })
  for (const name of names) {
    const path = join(dir, name)
    if ((await stat(path)).isFile()) places.set(name, await readFile(path))
  }
  // Behind the files: opening one writes it anew.
  for (const level of names.filter(name => basename(name) === 'CURRENT').map(dirname))
    places.set(`${level}: all values`, await valuesIn(join(dir, level)))
  return places
}

async function valuesIn(levelDir: string): Promise<Buffer> {
  const level = new ClassicLevel<Buffer, Buffer>(levelDir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const parts: Buffer[] = []
  for await (const [key, value] of level.iterator()) parts.push(key, value)
  await level.close()
  return Buffer.concat(parts)
}

/** Every row of every table, as bytes and not as a page that may be compressed. */
export async function rowsIn(databaseDir: string): Promise<Places> {
  const database = await openDatabase({ dir: databaseDir })
  const places: Places = new Map()
  const { rows: tables } = await database.query(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  )
  for (const { name } of tables) {
    const { rows } = await database.query(`SELECT * FROM ${String(name)}`)
    const values = rows.flatMap(row => Object.values(row))
    const parts = values.map(value =>
      value instanceof Uint8Array ? value : Buffer.from(`${String(value)}\n`),
    )
    places.set(`table ${String(name)}`, Buffer.concat(parts))
  }
  await database.close()
  return places
}
