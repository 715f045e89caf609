// The file that remembers a node's ways out: nothing that a person said is lost, and what could not be written did not happen.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type UplinkBook, uplinkBook } from '../../src/host/uplink-book.ts'
import type { Uplink } from '../../src/ports.ts'
import { UPLINK_SETTING, type UplinkSetting } from '../../src/uplink/setting.ts'
import { testSite } from '../site.ts'

const site = testSite('book')
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
let dir: string
let ways: readonly Uplink[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'book-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

function bookIn(folder: string): UplinkBook {
  const device = site.device('pole')
  return uplinkBook({
    ...{
      dir: folder,
      logger: quiet,
      siteId: site.siteId,
      rootKey: site.rootKey,
      signatures: site.signatures,
    },
    ...{ certificate: () => device.certificate.encoded, logKey: device.keys.logKey },
    clock: { wallMs: () => 0, monotonicMs: () => 0 },
    random: { bytes: site.random },
    give: ({ uplinks }) => {
      ways = uplinks
    },
  })
}

function https(name: string, url = 'https://192.0.2.1'): UplinkSetting {
  return UPLINK_SETTING.parse({ kind: 'https', name, url })
}

const namesOf = (book: UplinkBook) => book.settings().map(({ name }) => name)

async function again(): Promise<UplinkBook> {
  const book = bookIn(dir)
  await book.open()
  return book
}

describe('the ways out that a node remembers', () => {
  it('are all that were added and not removed, also at once', async () => {
    const book = bookIn(dir)
    await Promise.all([book.add(https('one')), book.add(https('two')), book.add(https('three'))])
    await Promise.all([book.remove('two'), book.add(https('four'))])
    expect(namesOf(await again())).toEqual(['one', 'three', 'four'])
    expect(ways.map(({ name }) => name)).toEqual(['one', 'three', 'four'])
  })

  it('are refused in the clear, without a word of a password', async () => {
    const adding = bookIn(dir).add(https('plain', 'http://me:hush@192.0.2.1'))
    await expect(adding).rejects.toThrow(/needs https, got http:\/\/192\.0\.2\.1$/)
  })

  it('hold one that cannot be used, until a person removes it', async () => {
    await bookIn(dir).add(https('one'))
    const file = (await readFile(join(dir, 'uplinks.json'), 'utf8')).replace('https://192', 'http://192')
    await writeFile(join(dir, 'uplinks.json'), file)
    const book = await again()
    expect([namesOf(book), ways]).toEqual([['one'], []])
    await book.add(https('two'))
    const later = await again()
    expect(namesOf(later)).toEqual(['one', 'two'])
    await expect(later.add(https('one'))).rejects.toThrow('there is an uplink one already')
    await later.remove('one')
    expect(namesOf(await again())).toEqual(['two'])
  })

  it('are as before when a change could not be written', async () => {
    const book = bookIn(dir)
    await book.add(https('one'))
    const elsewhere = bookIn(join(dir, 'gone'))
    await expect(elsewhere.add(https('two'))).rejects.toThrow(/cannot be written/)
    expect(namesOf(elsewhere)).toEqual([])
    await rm(dir, { recursive: true })
    await expect(book.remove('one')).rejects.toThrow(/cannot be written/)
    expect([namesOf(book), ways.length]).toEqual([['one'], 1])
    await mkdir(dir)
    await mkdir(join(dir, 'gone'))
    await book.remove('one')
    await elsewhere.add(https('two'))
    expect([namesOf(book), namesOf(elsewhere)]).toEqual([[], ['two']])
  })
})
