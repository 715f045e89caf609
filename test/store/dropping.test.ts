// Taking records out of a journal, and dying at every step of it: what was to stay is there each time, in its order, and of what
// was to go only a beginning may be left.
import { describe, expect, it } from 'vitest'
import { simulatedDisk } from '../../simulations/disk/disk.ts'
import type { Disk } from '../../src/ports.ts'
import { openJournal } from '../../src/store/journal.ts'
import type { StoreKeys } from '../../src/store/sealing.ts'

const KEYS: StoreKeys = [{ id: 3, key: new Uint8Array(32).fill(9) }]
const FILES = 5
const GOES = 1
const STAYS = 2

async function read(disk: Disk, keys: StoreKeys = []) {
  const held: { readonly kind: number; readonly text: string }[] = []
  const { journal, scan } = await openJournal(
    disk,
    ({ kind, payload }) => void held.push({ kind, text: new TextDecoder().decode(payload) }),
    keys,
  )
  return { journal, scan, held }
}

/** Five files: in the first two, and in the last, something stays; the others are all to go. */
async function filled(disk: Disk, keys: StoreKeys = []) {
  const { journal } = await read(disk, keys)
  for (let file = 0; file < FILES; file++) {
    const stays = file < 2 || file === FILES - 1 ? [{ kind: STAYS, payload: bytesOf(`stays ${file}`) }] : []
    await journal.append([
      { kind: GOES, payload: bytesOf(`goes ${file}`) },
      ...stays,
      { kind: GOES, payload: bytesOf(`goes ${file} too`) },
    ])
    if (file < FILES - 1) journal.turnOver()
  }
  journal.turnOver()
  await journal.append([{ kind: STAYS, payload: bytesOf('the newest') }])
  return journal
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const dropping = {
  isDropped: ({ kind }: { readonly kind: number }) => kind === GOES,
  breathe: () => Promise.resolve(),
}
const LEFT = ['stays 0', 'stays 1', 'stays 4', 'the newest']
const texts = (held: readonly { readonly text: string }[]): readonly string[] => held.map(one => one.text)

describe('records that are dropped', () => {
  it.each([
    ['plain', []],
    ['sealed', KEYS],
  ] as const)(
    'leave the others as they were, and files that held nothing else are gone (%s)',
    async (_, keys) => {
      const disk = simulatedDisk()
      const journal = await filled(disk.mount(), keys)
      const before = journal.sizeBytes()
      const freed = await journal.drop(dropping)
      expect(freed).toBeGreaterThan(0)
      expect(journal.sizeBytes()).toBe(before - freed)
      await journal.append([{ kind: STAYS, payload: bytesOf('written behind') }])
      expect(await journal.drop(dropping), 'once is enough').toBe(0)
      const { held, scan, journal: again } = await read(disk.mount(), keys)
      expect(texts(held)).toEqual([...LEFT, 'written behind'])
      expect(scan).toMatchObject({ state: 'intact', lostBytes: 0 })
      expect(disk.durablePaths().filter(path => path.startsWith('journal/'))).toHaveLength(4)
      expect(again.sizeBytes()).toBe(before - freed + (journal.sizeBytes() - before + freed))
    },
  )

  it('in the file that is being written to are left alone', async () => {
    const disk = simulatedDisk()
    const { journal } = await read(disk.mount())
    await journal.append([{ kind: GOES, payload: bytesOf('goes') }])
    expect(await journal.drop(dropping)).toBe(0)
    expect(texts((await read(disk.mount())).held)).toEqual(['goes'])
  })

  it('are a beginning of all that was to go, whenever the power fails', async () => {
    let died = 0
    for (let dieAt = 0; dieAt < 40; dieAt++) {
      let operations = Number.NEGATIVE_INFINITY
      const disk = simulatedDisk({
        before: () => {
          operations += 1
          if (operations === dieAt) disk.crash(() => 0.5)
        },
      })
      const journal = await filled(disk.mount())
      operations = -1
      const survived = await journal.drop(dropping).then(
        () => true,
        () => false,
      )
      if (!survived) died += 1
      operations = Number.NEGATIVE_INFINITY
      const { held, scan } = await read(disk.mount())
      expect(texts(held.filter(one => one.kind === STAYS)), `died at ${dieAt}`).toEqual(LEFT)
      const gone = texts(held.filter(one => one.kind === GOES))
      const all = Array.from({ length: FILES }, (_, i) => [`goes ${i}`, `goes ${i} too`]).flat()
      expect(gone, `died at ${dieAt}`).toEqual(all.slice(0, gone.length))
      expect(scan.lostBytes).toBe(0)
    }
    expect(died).toBeGreaterThan(FILES)
  })
})
