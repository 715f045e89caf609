// A store that is encrypted: what its key alone opens, and that damage and tampering are seen as before.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SimulatedDisk, simulatedDisk } from '../../simulations/disk/disk.ts'
import type { Disk } from '../../src/ports.ts'
import { crc32c, encodeFrame, MAX_RECORD_BYTES, readFrame } from '../../src/store/frame.ts'
import { SEGMENT_BYTES } from '../../src/store/journal.ts'
import { requireKeys, rewriteJournal } from '../../src/store/rekey.ts'
import { SEALING_BYTES, type Sealer, sealerOf } from '../../src/store/sealing.ts'
import { unwrapValue, valueSealerOf, wrapValue } from '../../src/store/value.ts'
import { concatBytes, hex, unhex } from '../../src/units.ts'
import { numbered, numberOf, openAndRead, storeKey } from './journal-setting.ts'

const FIRST = 'journal/00000001.cmj'
const SECOND = 'journal/00000002.cmj'
const KEYS = storeKey(1)
const FRAME_BYTES = 32 + SEALING_BYTES
const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)

function sealer(keys = KEYS, purpose = FIRST): Sealer {
  const made = sealerOf(keys, purpose)
  if (!made) throw new Error('no key')
  return made
}

async function contentOf(disk: Disk, path = FIRST): Promise<Uint8Array> {
  return (await disk.read(path)) ?? new Uint8Array()
}

async function journalOf(count: number, keys = KEYS, disk = simulatedDisk()): Promise<SimulatedDisk> {
  const before = (await openAndRead(disk, keys)).records.length
  const { journal } = await openAndRead(disk, keys)
  for (const n of numbers(count, before)) await journal.append([numbered(n)])
  await journal.close()
  return disk
}

/** As somebody writes it who knows the format and not the key. */
function withChecksum(frame: Uint8Array): Uint8Array {
  const copy = frame.slice()
  new DataView(copy.buffer).setUint32(6, crc32c(copy.subarray(10)))
  return copy
}

describe('a sealed frame', () => {
  it('opens as version 1 has written it', () => {
    const golden = '434d000000213b19415c01000102030405060708090a0bab902773475eb91ec34f0c2dd262d58815464eaf'
    expect(readFrame(unhex(golden), 0, sealer())).toEqual({
      kind: 'record',
      record: { kind: 7, payload: unhex('010203') },
      end: golden.length / 2,
    })
  })

  it('gives back every record and shows nothing of it', () => {
    const record = fc.record({
      kind: fc.integer({ min: 0, max: 255 }),
      payload: fc.uint8Array({ minLength: 8, maxLength: 400 }),
    })
    fc.assert(
      fc.property(record, value => {
        const frame = encodeFrame(value, sealer())
        expect(readFrame(frame, 0, sealer())).toEqual({ kind: 'record', record: value, end: frame.length })
        expect(hex(frame)).not.toContain(hex(value.payload))
      }),
    )
  })

  it('takes the largest record', () => {
    const largest = { kind: 1, payload: new Uint8Array(MAX_RECORD_BYTES - 1) }
    expect(readFrame(encodeFrame(largest, sealer()), 0, sealer()).kind).toBe('record')
  })

  it('is garbage with a flipped bit, and forged when somebody mends the checksum too', () => {
    const frame = encodeFrame(numbered(1), sealer())
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = frame.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(readFrame(flipped, 0, sealer()), `bit ${bit}`).toEqual({ kind: 'garbage' })
      if (bit < 11 * 8) continue
      const end = frame.length
      expect(readFrame(withChecksum(flipped), 0, sealer()), `bit ${bit}`).toEqual({ kind: 'forged', end })
    }
  })

  it('is garbage wherever it is cut, and forged when what is left gets a right head', () => {
    const frame = encodeFrame(numbered(1), sealer())
    for (let length = 0; length < frame.length; length++) {
      expect(readFrame(frame.subarray(0, length), 0, sealer())).toEqual({ kind: 'garbage' })
      if (length < 12) continue
      const short = frame.slice(0, length)
      new DataView(short.buffer).setUint32(2, length - 10)
      expect(readFrame(withChecksum(short), 0, sealer())).toEqual({ kind: 'forged', end: length })
    }
  })

  it('does not open with another key, in another file, or under another id', () => {
    const frame = encodeFrame(numbered(1), sealer())
    const end = frame.length
    expect(readFrame(frame, 0, sealer(storeKey(1, 9)))).toEqual({ kind: 'forged', end })
    expect(readFrame(frame, 0, sealer(KEYS, SECOND))).toEqual({ kind: 'forged', end })
    expect(readFrame(frame, 0, sealer(storeKey(2, 1)))).toEqual({ kind: 'locked', keyId: 1, end })
    expect(readFrame(frame, 0)).toEqual({ kind: 'locked', keyId: 1, end })
    const renamed = frame.slice()
    renamed[10] = 2
    const both = sealer([...storeKey(1), ...storeKey(2, 1)])
    expect(readFrame(withChecksum(renamed), 0, both)).toEqual({ kind: 'forged', end })
  })

  it('never has a nonce for a second time, on a cloned disk neither', () => {
    const [here, clone] = [sealer(), sealer()]
    const nonces = numbers(3_000).flatMap(() =>
      [here, clone].map(one => hex(one.seal(Uint8Array.of(1)).subarray(0, 12))),
    )
    expect(new Set(nonces).size).toBe(6_000)
  })
})

describe('a sealed journal', () => {
  it('gives back all records, shows none, and is as long as it says', async () => {
    const disk = await journalOf(5)
    const { records, scan, journal } = await openAndRead(disk, KEYS)
    expect(records).toEqual(numbers(5).map(n => numbered(n)))
    expect(scan.state).toBe('intact')
    const content = await contentOf(disk)
    expect(journal.sizeBytes()).toBe(content.length)
    expect(content.length).toBe(4 + 5 * FRAME_BYTES)
    expect(hex(content)).not.toContain(hex(numbered(3).payload.subarray(4, 12)))
  })

  it('starts a new file before one would grow too large, each with a key of its own', async () => {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk, KEYS)
    for (const n of numbers(12)) await journal.append([numbered(n, MAX_RECORD_BYTES - 1)])
    expect(await disk.list('journal')).toEqual(['00000001.cmj', '00000002.cmj'])
    expect((await openAndRead(disk, KEYS)).records.map(numberOf)).toEqual(numbers(12))
    await disk.replace(FIRST, await contentOf(disk, SECOND))
    const moved = await openAndRead(disk, KEYS)
    expect(moved.scan.damaged.map(hole => [hole.file, hole.cause])).toContainEqual([FIRST, 'forged'])
  })

  it('counts what sealing adds when it looks whether a file is full', async () => {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk, KEYS)
    const sealedBytes = (length: number): number => 12 + length + SEALING_BYTES
    for (const n of numbers(7)) await journal.append([numbered(n, MAX_RECORD_BYTES - 1)])
    const left = SEGMENT_BYTES - journal.sizeBytes()
    // What is left then would take a small record in the clear, and not a sealed one.
    await journal.append([numbered(7, left - sealedBytes(0) - sealedBytes(4) + 1)])
    await journal.append([numbered(8, 4)])
    expect(SEGMENT_BYTES - (await contentOf(disk)).length).toBe(sealedBytes(4) - 1)
    expect(await contentOf(disk, SECOND)).toHaveLength(4 + sealedBytes(4))
  })

  it('never yields a wrong record, nor calls itself intact, for any single flipped bit', async () => {
    const whole = await contentOf(await journalOf(3))
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const disk = simulatedDisk()
      await disk.replace(FIRST, whole)
      disk.flipBit(FIRST, bit >> 3, bit & 7)
      const { records, scan } = await openAndRead(disk, KEYS)
      const found = records.map(numberOf)
      expect(found.length, `bit ${bit}`).toBeGreaterThanOrEqual(2)
      for (const record of records) expect(record).toEqual(numbered(numberOf(record)))
      expect(scan.state, `bit ${bit}`).toBe(found.join() === '0,1' ? 'torn' : 'damaged')
    }
  })

  it('cuts a torn tail wherever it was torn, and appends behind the last whole record', async () => {
    const whole = await contentOf(await journalOf(3))
    for (let length = 0; length < whole.length; length++) {
      const disk = simulatedDisk()
      await disk.replace(FIRST, whole.subarray(0, length))
      const { journal, records } = await openAndRead(disk, KEYS)
      const kept = Math.max(0, Math.floor((length - 4) / FRAME_BYTES))
      expect(records.map(numberOf)).toEqual(numbers(kept))
      await journal.append([numbered(99)])
      const again = await openAndRead(disk, KEYS)
      expect(again.scan.state).toBe('intact')
      expect(again.records.map(numberOf)).toEqual([...numbers(kept), 99])
    }
  })

  it('reads on across plain, sealed and re-keyed frames of one file', async () => {
    const disk = await journalOf(2, [])
    await journalOf(2, KEYS, disk)
    const both = [...KEYS, ...storeKey(2)]
    await journalOf(2, both, disk)
    expect(await disk.list('journal')).toEqual(['00000001.cmj'])
    const { records, scan } = await openAndRead(disk, both)
    expect(records.map(numberOf)).toEqual(numbers(6))
    expect(scan.state).toBe('intact')
    // Frames of 32 bytes, then of 60: the key ids of the first of each kind.
    const content = await contentOf(disk)
    expect([4, 68, 68 + 2 * FRAME_BYTES].map(at => content[at + 10])).toEqual([0, 1, 2])
  })

  it('is refused, not taken for damage, with a missing or a foreign key', async () => {
    const mixed = await journalOf(2, [])
    await journalOf(2, KEYS, mixed)
    const keyless = await openAndRead(mixed)
    expect(keyless.records).toHaveLength(2)
    expect(() => requireKeys(keyless.scan)).toThrow('identity.json')
    const foreign = await openAndRead(await journalOf(2), storeKey(1, 9))
    expect(() => requireKeys(foreign.scan)).toThrow('identity.json')
    const right = await openAndRead(mixed, KEYS)
    expect(() => requireKeys(right.scan)).not.toThrow()
  })

  it('with one forged frame is damaged and can be used', async () => {
    const disk = await journalOf(3)
    const content = (await contentOf(disk)).slice()
    const at = 4 + FRAME_BYTES
    content[at + 30] = (content[at + 30] ?? 0) ^ 1
    const forged = withChecksum(content.slice(at, at + FRAME_BYTES))
    await disk.replace(
      FIRST,
      concatBytes([content.subarray(0, at), forged, content.subarray(at + FRAME_BYTES)]),
    )
    const { records, scan } = await openAndRead(disk, KEYS)
    expect(records.map(numberOf)).toEqual([0, 2])
    expect(scan.damaged).toEqual([{ file: FIRST, offset: at, lostBytes: FRAME_BYTES, cause: 'forged' }])
    expect(() => requireKeys(scan)).not.toThrow()
  })
})

describe('a journal that is encrypted or decrypted', () => {
  /** Three files, with garbage in the middle of the second. */
  async function threeFiles(keys = KEYS): Promise<{ disk: SimulatedDisk; numbers: readonly number[] }> {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk, keys)
    for (const n of numbers(20)) await journal.append([numbered(n, MAX_RECORD_BYTES - 1)])
    await journal.close()
    disk.flipBit(SECOND, 2 * MAX_RECORD_BYTES, 3)
    return { disk, numbers: (await openAndRead(disk, keys)).records.map(numberOf) }
  }

  /** Power fails before the so-many-th replacement. */
  function mortal(disk: Disk, fatalReplace: number): Disk {
    let replaces = 0
    return {
      ...disk,
      replace: async (path, bytes) => {
        if (++replaces === fatalReplace) throw new Error('power is gone')
        await disk.replace(path, bytes)
      },
    }
  }

  it.each([
    ['encrypted', [], KEYS],
    ['decrypted', KEYS, []],
  ] as const)(
    'can be read at any moment while it is %s, and is finished by the next try',
    async (_, before, after) => {
      const keys = { from: KEYS, to: after }
      for (let fatal = 1; fatal <= 3; fatal++) {
        const { disk, numbers: all } = await threeFiles([...before])
        expect(all).toHaveLength(19)
        await expect(rewriteJournal(mortal(disk, fatal), keys)).rejects.toThrow('power')
        expect((await openAndRead(disk, KEYS)).records.map(numberOf)).toEqual(all)
        const { files, keptBytes } = await rewriteJournal(disk, keys)
        expect(files).toBe(4 - fatal)
        expect(keptBytes).toBeGreaterThan(MAX_RECORD_BYTES)
        expect((await openAndRead(disk, after)).records.map(numberOf)).toEqual(all)
        expect(await rewriteJournal(disk, keys)).toMatchObject({ files: 0 })
      }
    },
  )
})

describe('a sealed value of the documents', () => {
  const bytes = Uint8Array.from(numbers(40))

  it('comes back, for this opening of the store and for later ones', () => {
    const wrapped = wrapValue(bytes, valueSealerOf(KEYS))
    expect(wrapped[0]).toBe(1)
    expect(hex(wrapped)).not.toContain(hex(bytes))
    expect(new Uint8Array(unwrapValue(wrapped, valueSealerOf(KEYS)))).toEqual(bytes)
    const many = numbers(200).map(() => wrapValue(bytes, valueSealerOf(KEYS)))
    const later = valueSealerOf(KEYS)
    for (const one of [...many, ...many]) expect(new Uint8Array(unwrapValue(one, later))).toEqual(bytes)
  })

  it('opens as version 1 has written it', () => {
    const golden =
      '017e307176101112131415161718191a1b1c1d1e1f000102030405060708090a0b7808020fc53e4385a122eaa031946faa062835'
    expect(hex(unwrapValue(unhex(golden), valueSealerOf(KEYS)))).toBe('010203')
  })

  it('that is plain is read beside sealed ones', () => {
    expect(new Uint8Array(unwrapValue(wrapValue(bytes), valueSealerOf(KEYS)))).toEqual(bytes)
  })

  it('is refused with any flipped bit, mended checksum or not, cut short, or with another key', () => {
    const wrapped = wrapValue(bytes, valueSealerOf(KEYS))
    const mended = (value: Buffer): Buffer => {
      value.writeUInt32BE(crc32c(value.subarray(5)), 1)
      return value
    }
    for (let at = 0; at < wrapped.length; at++) {
      const flipped = Buffer.from(wrapped)
      flipped[at] = (flipped[at] ?? 0) ^ 2
      expect(() => unwrapValue(flipped, valueSealerOf(KEYS)), `byte ${at}`).toThrow('stored value')
      if (at < 5) continue
      expect(() => unwrapValue(mended(flipped), valueSealerOf(KEYS)), `byte ${at}`).toThrow('has sealed')
      const short = mended(Buffer.from(wrapped.subarray(0, at)))
      expect(() => unwrapValue(short, valueSealerOf(KEYS)), `${at} bytes`).toThrow('has sealed')
    }
    expect(() => unwrapValue(wrapped, valueSealerOf(storeKey(1, 9)))).toThrow('has sealed')
    expect(() => unwrapValue(wrapped, valueSealerOf(storeKey(2)))).toThrow('is not here')
    expect(() => unwrapValue(wrapped)).toThrow('is not here')
  })
})
