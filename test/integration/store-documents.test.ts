import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { openDocuments } from '../../src/store/documents.ts'
import { quarantineDocuments, scanDocuments } from '../../src/store/scan.ts'
import { diceOf } from '../store/journal-setting.ts'
import { requireFreshBuild } from './store-built.ts'

const COUNT = 40
let root: string
let dir: string
beforeAll(requireFreshBuild)
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'chargemesh-documents-'))
  dir = join(root, 'documents')
})
afterEach(() => rm(root, { recursive: true }))

async function fill(): Promise<void> {
  const documents = await openDocuments(dir)
  for (const name of ['log-a', 'log-b']) {
    const doc = new Y.Doc()
    doc.on('update', (update: Uint8Array) => documents.put(name, update))
    for (let i = 0; i < COUNT; i++) {
      doc.getArray('log').push([`${name} ${i}`])
      // Each a value of its own on the disk.
      await documents.settled()
    }
  }
  await documents.settled()
  expect(documents.state()).toBe('trusted')
  await documents.close()
}

function raw(): ClassicLevel<Buffer, Buffer> {
  return new ClassicLevel(dir, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
}

async function updateKeys(db: ClassicLevel<Buffer, Buffer>): Promise<Buffer[]> {
  return (await db.keys().all()).filter(key => key.includes('update'))
}

describe('documents on disk', () => {
  it('are there after a reopening, each value wrapped with key id 0', async () => {
    await fill()
    const documents = await openDocuments(dir)
    const doc = new Y.Doc()
    Y.applyUpdate(doc, (await documents.read('log-b')) ?? new Uint8Array())
    expect(doc.getArray('log').length).toBe(COUNT)
    await documents.flush('log-a')
    await documents.close()
    const db = raw()
    const values = await db.values().all()
    expect(values.length).toBeGreaterThan(COUNT)
    expect(values.every(value => value[0] === 0)).toBe(true)
    await db.close()
  })

  it('say who holds them when they are open elsewhere', async () => {
    const documents = await openDocuments(dir)
    await expect(openDocuments(dir)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await expect(scanDocuments(dir)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await documents.close()
    await (await openDocuments(dir)).close()
  })

  it('turn doubtful when a value is not what was written', async () => {
    await fill()
    const db = raw()
    const [key] = await updateKeys(db)
    const value = key && (await db.get(key))
    if (!key || !value) throw new Error('nothing to damage')
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1
    await db.put(key, value)
    await db.close()
    const warning = vi.spyOn(console, 'warn').mockReturnValue()
    const documents = await openDocuments(dir)
    expect(await documents.read('log-a')).toBeUndefined()
    expect(documents.state()).toBe('doubtful')
    expect(warning).toHaveBeenCalled()
    warning.mockRestore()
    await documents.close()
    expect(await scanDocuments(dir)).toBe('unreadable')
  })
})

describe('the scan at boot', () => {
  it('tells an absent, an empty and an intact store, flushed or not', async () => {
    expect(await scanDocuments(dir)).toBe('absent')
    await mkdir(dir)
    expect(await scanDocuments(dir)).toBe('absent')
    await fill()
    expect(await scanDocuments(dir)).toBe('intact')
    const documents = await openDocuments(dir)
    await documents.flush('log-a')
    await documents.close()
    expect(await scanDocuments(dir)).toBe('intact')
  })

  it('finds an update that is missing in the middle', async () => {
    await fill()
    const db = raw()
    const keys = await updateKeys(db)
    await db.del(keys[COUNT / 2] ?? Buffer.alloc(0))
    await db.close()
    expect(await scanDocuments(dir)).toBe('unreadable')
  })

  it('calls a store without its table of contents unreadable, and it can be moved aside and made anew', async () => {
    await fill()
    const current = (await readFile(join(dir, 'CURRENT'), 'utf8')).trim()
    await writeFile(join(dir, current), 'this is no manifest')
    expect(await scanDocuments(dir)).toBe('unreadable')
    await expect(openDocuments(dir)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    const place = await quarantineDocuments(dir, Date.UTC(2026, 5, 1))
    expect(existsSync(join(place, current))).toBe(true)
    expect(await scanDocuments(dir)).toBe('absent')
    await fill()
    expect(await scanDocuments(dir)).toBe('intact')
  })
})

describe('a bit flipped anywhere in the files of the store', () => {
  it('never passes for another text, and never harms the process that asked', async () => {
    const random = diceOf(7)
    const verdicts = new Set<string>()
    for (let round = 0; round < 24; round++) {
      await rm(dir, { recursive: true, force: true })
      await fill()
      const names = (await readdir(dir)).filter(name => name.endsWith('.log') || name.startsWith('MANIFEST'))
      const file = join(dir, names[round % names.length] ?? '')
      const content = await readFile(file)
      const offset = Math.floor(random() * content.length)
      content[offset] = (content[offset] ?? 0) ^ (1 << Math.floor(random() * 8))
      await writeFile(file, content)
      const verdict = await scanDocuments(dir)
      verdicts.add(verdict)
      if (verdict === 'intact') await expectPrefixes()
    }
    expect(verdicts).toEqual(new Set(['intact', 'unreadable']))
  })
})

/** LevelDB may have dropped the end without a word; what it still gives must be true. */
async function expectPrefixes(): Promise<void> {
  const documents = await openDocuments(dir)
  for (const name of await documents.names()) {
    const update = await documents.read(name)
    const doc = new Y.Doc()
    if (update !== undefined) Y.applyUpdate(doc, update)
    const entries = doc.getArray('log').toArray()
    expect(entries).toEqual(entries.map((_, i) => `${name} ${i}`))
  }
  await documents.close()
}

describe('the quarantine', () => {
  it('keeps the last two, and always the one just moved, whatever the clock says', async () => {
    const places: string[] = []
    for (const year of [2026, 2027, 2027, 1970]) {
      await mkdir(dir)
      await writeFile(join(dir, 'evidence'), `${places.length}`)
      places.push(basename(await quarantineDocuments(dir, Date.UTC(year, 0, 1))))
    }
    const kept = await readdir(join(root, 'quarantine'))
    expect(kept.sort()).toEqual([places[3], places[2]])
    expect(await readFile(join(root, 'quarantine', places[2] ?? '', 'evidence'), 'utf8')).toBe('2')
  })

  it('says so when there is nothing to move', async () => {
    await expect(quarantineDocuments(dir, 0)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })
})
