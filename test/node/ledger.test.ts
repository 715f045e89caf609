// The ledger by itself: no log grows beyond its bound however much is written at once, a tool's log goes on where it
// stopped, and what came out of the journal is what went in (PROTOCOL 1.3, 1.4, 2.1).
import { describe, expect, it } from 'vitest'
import { issueCertificate } from '../../src/identity/certificate.ts'
import { createLedger, type Ledger } from '../../src/ledger.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { eventsOf } from '../../src/log/event.ts'
import { MAX_LOG_EVENTS } from '../../src/log/writer.ts'
import type { LedgerRecord } from '../../src/store/records.ts'
import type { DeviceId } from '../../src/units.ts'
import { gateOf } from '../replica/gate.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'

const site = testSite('ledger')
const node = site.device('node')

function ledgerOf(device = node, signatures = site.signatures): Ledger {
  const { certificate, keys } = device
  return createLedger({
    ...{ roster: site.roster([node]), signatures, certificate, logKey: keys.logKey },
    ...{ random: { bytes: site.random }, swVersion: 'test' },
  })
}

function notes(count: number): readonly AnyBody[] {
  return Array.from({ length: count }, (_, i) => ({
    name: 'diagnostics',
    body: { code: 'x', detail: `${i}` },
  }))
}

const at = (ms: number) => ({ wallMs: SITE_OPENED_AT + ms, monotonicMs: ms })

function headsOf(ledger: Ledger): string {
  return [...ledger.logs.all()].map(log => `${log.logId} ${log.head.seq} ${log.head.hash}`).join('\n')
}

describe('a ledger', () => {
  it('keeps every log within its bound, however many events are written at once', () => {
    for (const counts of [[10_000], [4093, 1], [4094, 1], [4095, 1], [2000, 2092, 5], [4096]]) {
      const ledger = ledgerOf()
      for (const count of counts) ledger.write(notes(count), at(1))
      const logs = [...ledger.logs.all()]
      for (const log of logs) expect(log.elements.length).toBeLessThanOrEqual(MAX_LOG_EVENTS)
      const written = logs
        .flatMap(log => eventsOf(log.logId, log.elements))
        .filter(event => event.type === 23)
      expect(written).toHaveLength(counts.reduce((sum, count) => sum + count, 0))
      expect(logs.filter(log => !log.head.closed)).toHaveLength(1)
      const gate = gateOf(site, [node])
      for (const { logId, fromSeq, update } of ledger.takePending().authored)
        expect(gate.admit({ logId, fromSeq, update }).kind).toBe('admitted')
    }
  })

  it('opens its next log under the certificate that the operator renewed, and reads both back', () => {
    const ledger = ledgerOf()
    const { hash: _, deviceId, encoded: __, ...body } = node.certificate
    ledger.write(notes(1), at(1))
    const renewed = issueCertificate(site.signatures, site.issuer.keys.logKey, {
      ...{ ...body, serial: body.serial + 1 },
    })
    ledger.enrol(renewed)
    ledger.write(notes(MAX_LOG_EVENTS), at(2))
    const serials = (held: Ledger): readonly number[] => [
      ...new Set([...held.logs.all()].map(log => log.certificate.serial)),
    ]
    expect(serials(ledger)).toEqual([body.serial, body.serial + 1])
    const again = ledgerOf()
    for (const record of ledger.takePending().records) again.recover(record)
    expect([again.rejectedOnRecovery(), serials(again)]).toEqual([0, serials(ledger)])
    expect(again.ownCertificate()).toMatchObject({ deviceId, serial: body.serial + 1 })
  })

  it('opens no epoch for nothing', () => {
    const ledger = ledgerOf()
    expect(ledger.write([], at(1))).toEqual([])
    expect(ledger.ownLog()).toBeUndefined()
    expect(ledger.takePending()).toEqual({ records: [], authored: [] })
  })

  it('gives everything back that was taken to the journal, in any number of parts', () => {
    const ledger = ledgerOf()
    const records: LedgerRecord[] = []
    ledger.enrol(site.issuer.certificate.encoded)
    ledger.keepCertificates(node.certificate.deviceId as DeviceId)
    for (let i = 0; i < 20; i++) {
      ledger.write(notes(1 + i * 30), at(i))
      records.push(...ledger.takePending().records)
    }
    expect(ledger.takePending().records).toEqual([])
    const again = ledgerOf()
    for (const record of records) again.recover(record)
    expect(headsOf(again)).toBe(headsOf(ledger))
    expect(again.rejectedOnRecovery()).toBe(0)
  })

  it('counts what the journal holds and the gate refuses, and goes on', () => {
    const ledger = ledgerOf()
    ledger.write(notes(3), at(1))
    const [record] = ledger.takePending().records
    if (!record) throw new Error('no record')
    const payload = record.payload.slice()
    payload[payload.length - 20] = (payload[payload.length - 20] ?? 0) ^ 1
    const again = ledgerOf()
    again.recover({ ...record, payload })
    again.recover(record)
    expect(again.rejectedOnRecovery()).toBe(1)
    expect(headsOf(again)).toBe(headsOf(ledger))
  })

  it('reads its journal back by one signature a record, which vouches for every byte of it', () => {
    const ledger = ledgerOf()
    for (let i = 0; i < 4; i++) ledger.write(notes(1), at(i))
    const { records, authored } = ledger.takePending()
    const [[record], [segment]] = [records, authored]
    if (!record || !segment) throw new Error('no record')
    let checked = 0
    const verify: typeof site.signatures.verify = (...words) => {
      checked += 1
      return site.signatures.verify(...words)
    }
    const again = ledgerOf(node, { ...site.signatures, verify })
    again.recover(record)
    expect([headsOf(again), checked]).toEqual([headsOf(ledger), 1])
    for (let end = 1; end <= segment.update.length; end += 7) {
      const payload = record.payload.slice()
      payload[payload.length - end] = (payload[payload.length - end] ?? 0) ^ 1
      const changed = ledgerOf()
      changed.recover({ ...record, payload })
      expect(changed.rejectedOnRecovery(), `byte ${end} from the end`).toBe(1)
    }
    // From anybody else each seal is checked.
    const { logId, fromSeq, update } = segment
    expect(ledgerOf(node, { ...site.signatures, verify }).admit({ logId, fromSeq, update }, at(9)).kind).toBe(
      'admitted',
    )
    // The opening of the log and four writes.
    expect(checked).toBe(1 + 5)
  })

  it('of newer software stops the node rather than dropping what it cannot read', () => {
    expect(() => ledgerOf().recover({ kind: 99, payload: new Uint8Array() })).toThrow('newer software')
  })
})

describe('a tool that resumes', () => {
  it('goes on with its log, and neither clock goes back, whatever the time is now', () => {
    const first = ledgerOf(site.issuer)
    first.write(notes(3), at(3600_000))
    const { records, authored } = first.takePending()
    const second = ledgerOf(site.issuer)
    for (const record of records) second.recover(record)
    second.recovered('intact', 'start', SITE_OPENED_AT - 86_400_000)
    second.resume()
    expect(second.ownLog()).toBe(first.ownLog())
    second.write(notes(2), { wallMs: SITE_OPENED_AT - 86_400_000, monotonicMs: 1 })
    const gate = gateOf(site, [])
    for (const { logId, fromSeq, update } of [...authored, ...second.takePending().authored])
      expect(gate.admit({ logId, fromSeq, update }).kind).toBe('admitted')
  })

  it('does not go on with a log that is closed', () => {
    const first = ledgerOf(site.issuer)
    first.write([{ name: 'epoch_close', body: { finalSeq: 1 } }], at(1))
    const second = ledgerOf(site.issuer)
    for (const record of first.takePending().records) second.recover(record)
    second.recovered('intact', 'start', SITE_OPENED_AT)
    second.resume()
    expect(second.ownLog()).toBeUndefined()
  })
})
