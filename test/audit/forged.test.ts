// What somebody who may sign audit files could try: the cloud itself that bills what nobody used, and a node that passes what it
// holds off as the cloud's file. Each is found from what stands in the file, by the root key alone.
import { describe, expect, it } from 'vitest'
import type { BillSaid } from '../../src/audit/format.ts'
import type { AuditReport } from '../../src/audit/report.ts'
import type { AuditContents } from '../../src/audit/stream.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { type SessionBodies, SITE_OPENED_AT, sessionBodies, type TestDevice } from '../site.ts'
import { auditSite, checked, fileOf, signerOf } from './site.ts'

type Made = ReturnType<typeof auditSite>

async function signed(
  made: Made,
  contents: Partial<AuditContents>,
  by: TestDevice = made.site.cloud,
): Promise<AuditReport> {
  const bytes = await fileOf({ ...made.contents, ...contents }, signerOf(by))
  return await checked(bytes, { rootKey: made.site.rootKey })
}

function wrongs({ findings }: AuditReport): readonly string[] {
  return findings.filter(one => one.severity === 'wrong').map(({ kind, text }) => `${kind}: ${text}`)
}

/** The site with these words of north's besides, and an invoice for their session that nobody computed. */
async function billedAnyway(
  bodies: readonly AnyBody[],
  { sessionId }: SessionBodies,
  others: Partial<BillSaid> = {},
): Promise<AuditReport> {
  const made = auditSite()
  const { operator, a, b, stolen, second, trunk } = made.logs
  second.append(bodies, SITE_OPENED_AT + 6 * 3600_000)
  const segments = [operator, a, b, stolen, second, trunk].flatMap(log => log.segments())
  const events = [operator, a, b, stolen, second, trunk].reduce((sum, log) => sum + log.events().length, 0)
  const invoice: BillSaid = {
    ...{ sessionId, revision: 0, kind: 'invoice', amount: '500.00', currency: 'EUR', energyWh: 2500 },
    ...{ reason: 'ended', inputHash: '0'.repeat(64), issuedAt: SITE_OPENED_AT + 7 * 3600_000, ...others },
  }
  return await signed(made, {
    header: { ...made.contents.header, events },
    segments,
    bills: [...made.bills, invoice],
  })
}

describe('a bill that nothing in the file ever spoke for', () => {
  it('is wrong where no price was ever shown', async () => {
    const words = sessionBodies({ chargerId: 'CP-9' })
    const report = await billedAnyway([words.start, words.end], words)
    expect(wrongs(report)).toEqual([expect.stringMatching(/^bill-mismatch: session .*500 EUR/)])
  })

  it('is wrong where the meter went back', async () => {
    const words = sessionBodies({ chargerId: 'CP-9', meterStopWh: 10 })
    const report = await billedAnyway([words.start, words.pricing, words.end], words)
    expect(wrongs(report)).toContainEqual(expect.stringMatching(/^bill-mismatch: session .*500 EUR/))
  })

  it('is wrong where only a stop was ever told of', async () => {
    const words = sessionBodies({ chargerId: 'CP-9' })
    const report = await billedAnyway([words.end], words)
    expect(wrongs(report)).toEqual([expect.stringMatching(/^bill-without-session: session .*500 EUR/)])
  })
})

it('a bill of less energy than the only stop tells of is wrong, and no debit that waits', async () => {
  const words = sessionBodies({ chargerId: 'CP-9', meterStopWh: 154_200 + 25_000 })
  const less = { amount: '0.25', energyWh: 1000 }
  const report = await billedAnyway([words.start, words.pricing, words.end], words, less)
  expect(wrongs(report)).toContainEqual(expect.stringMatching(/^bill-mismatch: .*1000 Wh; .* 25000 Wh/))
})

describe('whoever made a file', () => {
  it('is no node where it says that it is the cloud’s, and no cloud where it says a node’s', async () => {
    const made = auditSite()
    const { north } = made.devices
    const header = { ...made.contents.header, madeBy: 'north' }
    expect(wrongs(await signed(made, { header }, north))).toEqual([
      expect.stringMatching(/^bad-exporter: .*north.* is no cloud/),
    ])
    const asNode = { ...header, madeBy: 'cloud', source: 'node' } as const
    expect(wrongs(await signed(made, { header: asNode, bills: [] })).join()).toMatch(
      /bad-exporter: .*cloud.* is no node/,
    )
  })

  it('bears the name that the file says', async () => {
    const made = auditSite()
    const header = { ...made.contents.header, madeBy: 'somebody' }
    expect(wrongs(await signed(made, { header }))).toEqual([
      expect.stringMatching(/^bad-exporter: .*somebody.*cloud/),
    ])
  })
})

it('a bill of endless revisions is looked at in a moment', { timeout: 30_000 }, async () => {
  const made = auditSite()
  const [first] = made.bills
  if (!first) throw new Error('a bill')
  const more = Array.from({ length: 30_000 }, (_, i) => ({
    ...first,
    revision: i + 1,
    ...(i % 2 === 0 ? { kind: 'debit', amount: '0.01' } : { kind: 'credit', amount: '-0.01' }),
  }))
  const bills = made.bills.flatMap(bill => (bill === first ? [bill, ...more] : [bill]))
  const began = performance.now()
  expect((await signed(made, { bills })).verdict).toBe('wrong')
  expect(performance.now() - began).toBeLessThan(10_000)
})
