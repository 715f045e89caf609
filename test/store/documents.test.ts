import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import {
  type Documents,
  documentsOver,
  MAX_PENDING_BYTES,
  MAX_PENDING_PUTS,
  openDocuments,
} from '../../src/store/documents.ts'
import { unwrapValue, wrapValue } from '../../src/store/value.ts'

/** Updates of one growing log, one an entry. */
function updatesOf(count: number): Uint8Array[] {
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (let i = 0; i < count; i++) doc.getArray('log').push([`entry ${i}`])
  return updates
}

function entriesOf(update: Uint8Array | undefined): unknown[] | undefined {
  if (update === undefined) return undefined
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return doc.getArray('log').toArray()
}

const entries = (count: number): string[] => Array.from({ length: count }, (_, i) => `entry ${i}`)

describe('documents in memory', () => {
  let documents: Documents
  beforeEach(async () => {
    documents = await openDocuments({ memory: true })
  })
  afterEach(() => documents.close())

  it('give back a whole document, all puts before the read included', async () => {
    for (const update of updatesOf(30)) documents.put('log-a', update)
    for (const update of updatesOf(3)) documents.put('log-b', update)
    expect(entriesOf(await documents.read('log-a'))).toEqual(entries(30))
    expect(entriesOf(await documents.read('log-b'))).toEqual(entries(3))
    expect([...(await documents.names())].sort()).toEqual(['log-a', 'log-b'])
    expect(documents.state()).toBe('trusted')
  })

  it('know nothing of a document that was never put', async () => {
    expect(await documents.read('none')).toBeUndefined()
    expect(await documents.names()).toEqual([])
    expect(documents.state()).toBe('trusted')
  })

  it('are the same after a flush, and take more behind it', async () => {
    const updates = updatesOf(12)
    for (const update of updates.slice(0, 10)) documents.put('log', update)
    await documents.flush('log')
    for (const update of updates.slice(10)) documents.put('log', update)
    await documents.settled()
    expect(entriesOf(await documents.read('log'))).toEqual(entries(12))
  })

  it('are in doubt when an update in the middle is missing', async () => {
    const updates = updatesOf(5)
    for (const i of [0, 1, 3, 4]) documents.put('log', updates[i] ?? new Uint8Array())
    expect(await documents.read('log')).toBeUndefined()
    expect(documents.state()).toBe('doubtful')
    expect(documents.doubt()).toContain('missing')
  })
})

describe('documents over a store that fails', () => {
  const working = {
    storeUpdate: async () => 0,
    getYDoc: async () => new Y.Doc(),
    getAllDocNames: async () => ['log'],
    flushDocument: async () => undefined,
    clearDocument: async () => undefined,
    destroy: async () => undefined,
  }

  it('turn doubtful at the first null of a write, write nothing more and answer nothing', async () => {
    const storeUpdate = vi.fn(
      async (): Promise<number | null> => (storeUpdate.mock.calls.length === 2 ? null : 0),
    )
    const documents = documentsOver({ ...working, storeUpdate })
    for (const [i, update] of updatesOf(5).entries()) documents.put(`log-${i}`, update)
    await documents.settled()
    expect(documents.state()).toBe('doubtful')
    expect(storeUpdate).toHaveBeenCalledTimes(2)
    documents.put('log', new Uint8Array(2))
    await documents.settled()
    expect(storeUpdate).toHaveBeenCalledTimes(2)
    expect(await documents.read('log')).toBeUndefined()
    expect(await documents.names()).toEqual([])
  })

  it.each([
    ['reading', 'getYDoc', (documents: Documents) => documents.read('log')],
    ['listing', 'getAllDocNames', (documents: Documents) => documents.names()],
    ['flushing', 'flushDocument', (documents: Documents) => documents.flush('log')],
    ['closing', 'destroy', (documents: Documents) => documents.close()],
  ] as const)('turn doubtful when %s answers null, and when it rejects', async (what, method, act) => {
    for (const failing of [async () => null, () => Promise.reject(new Error('EIO'))]) {
      const documents = documentsOver({ ...working, [method]: failing })
      expect(documents.state()).toBe('trusted')
      await act(documents)
      expect(documents.state()).toBe('doubtful')
      expect(documents.doubt()).toContain(what)
    }
  })

  it('write as one what came for a document together, in its order, and wait for no more when somebody asks', async () => {
    const written: [string, Uint8Array][] = []
    const storeUpdate = async (name: string, update: Uint8Array) => written.push([name, update])
    const documents = documentsOver({ ...working, storeUpdate })
    const updates = updatesOf(6)
    for (const [i, update] of updates.entries()) documents.put(i === 3 ? 'other' : 'log', update)
    await documents.settled()
    expect(written.map(([name]) => name)).toEqual(['log', 'other'])
    const doc = new Y.Doc()
    for (const [, update] of written) Y.applyUpdate(doc, update)
    const whole = new Y.Doc()
    for (const update of updates) Y.applyUpdate(whole, update)
    expect(Y.encodeStateAsUpdate(doc)).toEqual(Y.encodeStateAsUpdate(whole))
  })

  it('turn doubtful when what came together cannot be read', async () => {
    const documents = documentsOver(working)
    for (let i = 0; i < 2; i++) documents.put('log', new Uint8Array(1))
    await documents.settled()
    expect(documents.doubt()).toContain('writing log failed')
  })

  it('turn doubtful instead of queueing more puts or bytes than their limits', async () => {
    for (const [count, length] of [
      [MAX_PENDING_PUTS, 1],
      [8, MAX_PENDING_BYTES / 8],
    ] as const) {
      const documents = documentsOver(working)
      for (let i = 0; i < count; i++) documents.put('log', new Uint8Array(length))
      expect(documents.state()).toBe('trusted')
      documents.put('log', new Uint8Array(length))
      expect(documents.state()).toBe('doubtful')
      await documents.settled()
    }
  })

  it('have room again when the writes are done', async () => {
    const documents = documentsOver(working)
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < MAX_PENDING_PUTS; i++) documents.put(`log-${i}`, new Uint8Array(1))
      await documents.settled()
    }
    expect(documents.state()).toBe('trusted')
  })
})

describe('a wrapped value', () => {
  it('begins with the key id 0 and gives back its bytes', () => {
    const bytes = Uint8Array.from([1, 2, 3])
    expect(wrapValue(bytes)[0]).toBe(0)
    expect(new Uint8Array(unwrapValue(wrapValue(bytes)))).toEqual(bytes)
    expect(unwrapValue(wrapValue(new Uint8Array()))).toHaveLength(0)
  })

  it('is refused when a bit of it flipped, when it is cut or when it has another key', () => {
    const wrapped = wrapValue(Uint8Array.from([1, 2, 3]))
    for (let at = 0; at < wrapped.length * 8; at++) {
      const flipped = Buffer.from(wrapped)
      flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
      expect(() => unwrapValue(flipped)).toThrow('stored value')
    }
    for (let length = 0; length < wrapped.length; length++)
      expect(() => unwrapValue(wrapped.subarray(0, length))).toThrow('stored value')
  })
})
