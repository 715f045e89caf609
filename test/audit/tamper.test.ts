// Every way in which an audit file can be changed behind whoever made it is found, and the place is named; and what somebody changes
// who can sign the file anew (a stolen node or cloud key) is found by the events' own seals and by computing the bills again.
import { describe, expect, it } from 'vitest'
import { AUDIT_MAGIC, HEAD_BYTES, KIND, kindName, SEGMENT, TAG_BYTES } from '../../src/audit/format.ts'
import { type AuditRecord, createAuditReader } from '../../src/audit/reader.ts'
import type { AuditReport } from '../../src/audit/report.ts'
import type { AuditContents } from '../../src/audit/stream.ts'
import { createAuditWriter } from '../../src/audit/writer.ts'
import { fromBytes, toBytes } from '../../src/cbor.ts'
import { decodeUpdate, encodeUpdate } from '../../src/replica/canonical.ts'
import { concatBytes } from '../../src/units.ts'
import { auditSite, checked, fileOf, signerOf } from './site.ts'

const made = auditSite()
const rootKey = made.site.rootKey
const whole = await fileOf({ ...made.contents, sessions: [] }, signerOf(made.site.cloud))
const records = createAuditReader().push(whole)
const spans = records.map((record, i) => ({ ...record, end: records[i + 1]?.at ?? whole.length }))
const bytesOf = (span: { readonly at: number; readonly end: number }): Uint8Array =>
  whole.subarray(span.at, span.end)

async function refused(bytes: Uint8Array): Promise<AuditReport> {
  const report = await checked(bytes, { rootKey })
  expect(report.verdict).toBe('wrong')
  return report
}

function wrongs(report: AuditReport): readonly string[] {
  return report.findings.filter(one => one.severity === 'wrong').map(one => `${one.kind}: ${one.text}`)
}

describe('a changed file', () => {
  it('has every kind of record, and is proven as it is', async () => {
    expect(new Set(records.map(record => kindName(record.kind)))).toEqual(
      new Set(['header', 'certificate', 'segment', 'fork', 'object', 'bill', 'trailer']),
    )
    expect(wrongs(await checked(whole, { rootKey }))).toEqual([])
  })

  it('is read alike in pieces of any length, also when each comes in the same bytes', () => {
    for (const length of [1, 7, 300, 5000]) {
      const reader = createAuditReader()
      const piece = Buffer.alloc(length)
      const read: Uint8Array[] = []
      for (let at = 0; at < whole.length; at += length) {
        const given = whole.subarray(at, at + length)
        piece.set(given)
        for (const { payload } of reader.push(piece.subarray(0, given.length))) read.push(payload.slice())
      }
      reader.end()
      expect(read).toEqual(records.map(({ payload }) => payload))
    }
  })

  it('is found at each single byte, whichever bit of it', { timeout: 120_000 }, async () => {
    const missed: number[] = []
    const misplaced: string[] = []
    for (let at = 0; at < whole.length; at++) {
      const bytes = whole.slice()
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
      const span = spans.find(one => at >= one.at && at < one.end)
      const fault = damageIn(bytes)
      if (fault === undefined) missed.push(at)
      else if (span && !fault.includes(`record ${span.number} `) && !fault.includes('cut'))
        misplaced.push(`${at}: ${fault}`)
    }
    expect(missed).toEqual([])
    expect(misplaced).toEqual([])
  })

  it('is found at one byte of each region of each kind of record, by the whole command’s way', async () => {
    for (const kind of new Set(spans.map(span => span.kind))) {
      const span = spans.find(one => one.kind === kind)
      if (!span) throw new Error('a record')
      const inPayload = span.at + HEAD_BYTES
      const places = [
        span.at,
        span.at + 1,
        span.at + 4,
        inPayload,
        inPayload + (span.payload.length >> 1),
        span.end - TAG_BYTES - 1,
        span.end - TAG_BYTES,
        span.end - 1,
      ]
      for (const at of places) {
        const bytes = whole.slice()
        bytes[at] = (bytes[at] ?? 0) ^ 0x10
        const report = await refused(bytes)
        expect(wrongs(report)[0]).toMatch(/^damaged: .*(record \d+ |cut)/)
      }
    }
  })

  it('is found when it is cut, at every record and inside of each', () => {
    for (const span of spans)
      for (const at of [span.at, span.at + 1, span.at + HEAD_BYTES, span.end - 1])
        expect(damageIn(whole.slice(0, at))).toMatch(/cut/)
    for (let at = 0; at < AUDIT_MAGIC.length; at++) expect(damageIn(whole.slice(0, at))).toBeDefined()
  })

  it('is found when records are swapped, left out, added or said twice', () => {
    const head = whole.slice(0, spans[0]?.at)
    const join = (order: readonly (typeof spans)[number][]): Uint8Array =>
      concatBytes([head, ...order.map(bytesOf)])
    expect(damageIn(join(spans))).toBeUndefined()
    for (let i = 1; i < spans.length; i++) {
      const [before, one] = [spans[i - 1], spans[i]]
      if (!before || !one) throw new Error('a record')
      expect(
        damageIn(join([...spans.slice(0, i - 1), one, before, ...spans.slice(i + 1)])),
        `swap ${i}`,
      ).toBeDefined()
      expect(damageIn(join([...spans.slice(0, i), ...spans.slice(i + 1)])), `without ${i}`).toBeDefined()
      expect(damageIn(join([...spans.slice(0, i), one, ...spans.slice(i)])), `twice ${i}`).toBeDefined()
    }
    expect(damageIn(concatBytes([whole, Uint8Array.of(0)]))).toMatch(/behind the end/)
  })
})

/** What the reader says of these bytes. */
function damageIn(bytes: Uint8Array): string | undefined {
  const reader = createAuditReader()
  try {
    reader.push(bytes)
    reader.end()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** The same records, changed, with all sums made anew as anybody can, and the old signature at the end. */
function resummed(change: (record: AuditRecord) => Uint8Array | undefined): Uint8Array {
  const writer = createAuditWriter()
  const parts = [writer.begin()]
  for (const record of records) {
    const payload = change(record)
    const name = kindName(record.kind)
    if (!payload || !name) continue
    // The trailer goes in as it was: nobody but the exporter can sign another.
    parts.push(writer.record(name as 'bill', payload))
  }
  return concatBytes(parts)
}

describe('a file whose sums somebody made anew', () => {
  it('lacks the exporter’s signature over them, whatever was changed', async () => {
    for (const kind of ['header', 'bill', 'object', 'segment'] as const) {
      const bytes = resummed(({ kind: own, payload }) => {
        if (own !== KIND[kind]) return payload
        const changed = payload.slice()
        const at = changed.length >> 1
        changed[at] = (changed[at] ?? 0) ^ 1
        return changed
      })
      expect(wrongs(await refused(bytes)).some(one => one.startsWith('bad-exporter'))).toBe(true)
    }
    const fewer = resummed(({ kind, payload, number }) =>
      kind === KIND.bill && number % 2 === 0 ? undefined : payload,
    )
    const said = wrongs(await refused(fewer))
    expect(said.some(one => one.startsWith('bad-exporter'))).toBe(true)
    expect(said.some(one => one.startsWith('bad-count'))).toBe(true)
  })
})

it('is found where somebody else signed it in the exporter’s name', async () => {
  const signer = { ...signerOf(made.site.cloud), logKey: made.devices.thief.keys.logKey }
  const report = await refused(await fileOf(made.contents, signer))
  expect(wrongs(report)).toEqual([
    expect.stringMatching(/^bad-exporter: the signature of cloud .* is not good/),
  ])
})

async function signedAnew(contents: Partial<AuditContents>, by = made.site.cloud): Promise<AuditReport> {
  return await checked(await fileOf({ ...made.contents, ...contents }, signerOf(by)), { rootKey })
}

const segments = [...(made.contents.segments as Iterable<import('../../src/ports.ts').Segment>)]
const bills = [...(made.contents.bills as Iterable<import('../../src/audit/format.ts').BillSaid>)]

describe('a file that a thief of the exporter’s key signed anew', () => {
  it('cannot change a byte of any event', { timeout: 120_000 }, async () => {
    const seen = new Set<string>()
    for (const [i, segment] of segments.entries()) {
      const elements = decodeUpdate(segment.fromSeq, segment.update) ?? []
      // One byte of each field: version, type, flags, hlc, mono_ms, length, body, signature.
      for (const [j, element] of elements.entries()) {
        // Each type of event once, sealed and unsealed.
        const sort = `${element[1]}/${element[2]}`
        if (seen.has(sort)) continue
        seen.add(sort)
        for (const at of [0, 1, 2, 5, 12, 18, 24, element.length - 1]) {
          const changed = element.slice()
          changed[at] = (changed[at] ?? 0) ^ 1
          const update = encodeUpdate(segment.fromSeq, elements.with(j, changed))
          const report = await signedAnew({ segments: segments.with(i, { ...segment, update }) })
          expect(report.verdict, `segment ${i}, event ${j}, byte ${at}`).toBe('wrong')
          expect(wrongs(report).join()).toContain(segment.logId)
        }
      }
    }
    expect(seen.size).toBeGreaterThan(6)
  })

  it('cannot leave out a segment that another one, an ack or an event tells of, nor swap two', async () => {
    for (const i of segments.keys()) {
      const report = await signedAnew({ segments: segments.toSpliced(i, 1) })
      const left = segments[i]
      const isTail = left && !segments.some(one => one.logId === left.logId && one.fromSeq > left.fromSeq)
      const isNamed = [made.logs.a, made.logs.b].some(log => log.logId === left?.logId)
      // The end of a log that nobody names is what cannot be proven; the page says so.
      if (!isTail || isNamed) expect(report.verdict, `segment ${i}`).toBe('wrong')
    }
    const at = segments.findIndex((one, i) => segments[i + 1]?.logId === one.logId)
    const [first, next] = segments.slice(at, at + 2)
    if (!first || !next) throw new Error('two segments')
    expect((await signedAnew({ segments: segments.toSpliced(at, 2, next, first) })).verdict).toBe('wrong')
    expect((await signedAnew({ segments: segments.toSpliced(at, 0, first) })).verdict).toBe('wrong')
  })

  it('cannot change what a bill says, leave one out, add one or say one twice', async () => {
    const changes: Partial<(typeof bills)[number]>[] = [
      ...[{ amount: '0.01' }, { currency: 'USD' }, { kind: 'debit' }, { revision: 7 }, { amount: 'NaN' }],
      { sessionId: 'ab'.repeat(16) as never },
    ]
    for (const [i, bill] of bills.entries()) {
      for (const change of changes) {
        const report = await signedAnew({ bills: bills.with(i, { ...bill, ...change }) })
        expect(report.verdict, `bill ${i} ${JSON.stringify(change)}`).toBe('wrong')
        expect(wrongs(report).join()).toMatch(/^bill-/)
      }
      // When a session has been silent for long enough the cloud's own clock says, which no log knows.
      if (bill.reason !== 'provisional')
        expect((await signedAnew({ bills: bills.toSpliced(i, 1) })).verdict, `without ${i}`).toBe('wrong')
      expect((await signedAnew({ bills: bills.toSpliced(i, 0, bill) })).verdict, `twice ${i}`).toBe('wrong')
    }
    const energy = await signedAnew({
      bills: bills.with(0, { ...(bills[0] as (typeof bills)[number]), energyWh: 9 }),
    })
    expect(wrongs(energy)[0]).toMatch(/^bill-mismatch: .*9 Wh/)
  })

  it('is found when the key is of a revoked device, or of nobody', async () => {
    const revoked = await signedAnew({}, made.devices.thief)
    expect(wrongs(revoked)).toEqual([
      expect.stringMatching(/^bad-exporter: .*thief, which signed it, is no cloud/),
      expect.stringMatching(/^bad-exporter: thief, which made the file, is revoked/),
    ])
    const stranger = auditSite('elsewhere')
    expect(wrongs(await signedAnew({}, stranger.site.cloud))[0]).toMatch(/^bad-exporter/)
  })

  it('cannot pass a foreign object, fork or segment off as true', async () => {
    const other = auditSite('elsewhere').contents
    expect(wrongs(await signedAnew({ objects: other.objects }))[0]).toMatch(/^bad-object/)
    expect(wrongs(await signedAnew({ forks: other.forks }))[0]).toMatch(/^bad-fork/)
    expect(
      wrongs(await signedAnew({ certificates: [...made.contents.certificates, ...other.certificates] }))[0],
    ).toMatch(/^bad-certificate/)
    const segment = fromBytes(
      SEGMENT,
      toBytes(
        SEGMENT,
        [...(other.segments as Iterable<(typeof segments)[number]>)][0] as (typeof segments)[number],
      ),
    )
    expect(wrongs(await signedAnew({ segments: [...segments, segment] })).join()).toMatch(/bad-log/)
  })
})
