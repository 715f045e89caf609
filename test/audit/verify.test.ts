import { describe, expect, it } from 'vitest'
import type { FindingKind } from '../../src/audit/findings.ts'
import { escaped, pageOf } from '../../src/audit/page.ts'
import type { AuditReport } from '../../src/audit/report.ts'
import type { AuditContents } from '../../src/audit/stream.ts'
import { NO_CORRECTIONS } from '../../src/billing/corrections.ts'
import { judge } from '../../src/billing/judge.ts'
import { signObject } from '../../src/log/object.ts'
import type { Segment } from '../../src/ports.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { auditSite, billAll, checked, fileOf, saidOf, sessionsOf, signerOf } from './site.ts'

const HOUR_MS = 3600_000

async function reportOn(
  made: ReturnType<typeof auditSite>,
  contents: Partial<AuditContents> = {},
  options: Parameters<typeof checked>[1] = {},
): Promise<AuditReport> {
  const file = await fileOf({ ...made.contents, ...contents }, signerOf(made.site.cloud))
  return await checked(file, { rootKey: made.site.rootKey, ...options })
}

function textsOf(report: AuditReport, kind: FindingKind): readonly string[] {
  return report.findings.filter(one => one.kind === kind).map(one => one.text)
}

describe('a true audit file', () => {
  it('is proven, and says what is to be remarked', async () => {
    const made = auditSite()
    const report = await reportOn(made)
    const { corrected, unended } = made.sessions
    expect(report).toMatchObject({ verdict: 'proven-with-remarks', rootGiven: true, seals: 9 })
    expect(report.found).toEqual({
      fork: 1,
      'beyond-cutoff': 1,
      corrected: 1,
      disputed: 1,
      provisional: 1,
      late: 2,
    })
    expect(textsOf(report, 'corrected')).toEqual([
      `session ${corrected.sessionId}: invoice 1.00 (ended), credit -0.25 (corrected)`,
    ])
    expect(textsOf(report, 'disputed')).toEqual([`session ${corrected.sessionId}: conflicting-ends`])
    expect(textsOf(report, 'provisional')).toEqual([
      `session ${unended.sessionId}: 0.25 EUR by its last reading`,
    ])
    expect(textsOf(report, 'beyond-cutoff')[0]).toMatch(/^3 events of log .* of thief, from 4 on$/)
    const [trunk, branch] = [made.logs.trunk.ref(), made.logs.branch.ref()]
    expect(report.logs.find(one => one.logId === trunk.logId)?.forks).toEqual([
      { seq: 1, ours: trunk.hash, theirs: branch.hash },
    ])
  })

  it('says of every session what it comes to and what was billed', async () => {
    const { sessions } = await reportOn(auditSite())
    expect(sessions).toMatchObject({
      sessions: 4,
      bills: 5,
      due: { EUR: '2.26' },
      billed: { EUR: '2.26' },
      energyWh: 8000,
    })
    expect(sessions?.rows.map(row => [row.chargerId, row.due, row.billed, row.revisions])).toEqual([
      ['CP-1', '0.63', '0.63', 1],
      ['CP-2', '0.75', '0.75', 2],
      ['CP-3', '0.25', '0.25', 1],
      ['CP-4', '0.63', '0.63', 1],
    ])
  })

  it('comes to the same however few chargers are folded at a time, and with each seal by itself', async () => {
    const made = auditSite()
    const whole = await reportOn(made)
    const parts = await reportOn(made, {}, { groupEvents: 1 })
    expect(parts.sessions).toEqual(whole.sessions)
    expect(parts.found).toEqual(whole.found)
    const each = await reportOn(made, {}, { everySeal: true })
    expect([each.verdict, each.seals]).toEqual([whole.verdict, 26])
  })

  it('without a root key vouches for itself, and says so', async () => {
    const made = auditSite()
    const report = await checked(await fileOf(made.contents, signerOf(made.site.cloud)))
    expect(report).toMatchObject({ rootGiven: false, verdict: 'proven-with-remarks' })
    expect(report.cannotBeProven[0]).toMatch(/no root key was given/)
  })

  it('is not of the site whose root key was given', async () => {
    const made = auditSite()
    const report = await reportOn(made, {}, { rootKey: auditSite('elsewhere').site.rootKey })
    expect(report.verdict).toBe('wrong')
    expect(report.found).toMatchObject({ 'other-root': 1 })
  })

  it('reports on the sessions of a time only', async () => {
    const made = auditSite()
    const range = { fromAt: SITE_OPENED_AT + HOUR_MS }
    const report = await reportOn(made, { header: { ...made.contents.header, ...range }, bills: [] })
    expect(report).toMatchObject({
      verdict: 'proven-with-remarks',
      sessions: { sessions: 0, outside: 4, bills: 0 },
    })
    const billed = await reportOn(made, { header: { ...made.contents.header, ...range } })
    expect(billed.found).toMatchObject({ 'bill-mismatch': 4 })
  })
})

describe('what is missing', () => {
  it('is a gap where the epoch behind it names it, and where an ack does', async () => {
    const made = auditSite()
    const { a, b, second } = made.logs
    const rest = [...(made.contents.segments as Iterable<{ logId: string; fromSeq: number }>)]
    const without = rest.filter(one => !(one.logId === a.logId && one.fromSeq > 3)) as never
    const report = await reportOn(made, { segments: without })
    const texts = textsOf(report, 'gap')
    expect(report.verdict).toBe('wrong')
    expect(texts).toEqual([
      `log ${a.logId} of north: events 4 to 7 are not here; the epoch that follows, log ${second.logId} of north, names them`,
      `log ${a.logId} of north: events 4 to 7 are not here; the cloud’s ack names them`,
    ])
    const noLog = await reportOn(made, { segments: rest.filter(one => one.logId !== b.logId) as never })
    expect(textsOf(noLog, 'gap')[0]).toMatch(/events 0 to 4 are not here; the cloud’s ack names them/)
  })

  it('is a loss that nobody declared, or one that was', async () => {
    const made = auditSite()
    const lossy = made.site.openLog(made.devices.south, {
      prev: made.logs.b.ref(),
      storeState: 'lossy',
      openedAt: SITE_OPENED_AT + 6 * HOUR_MS,
    })
    const segments = [...(made.contents.segments as Iterable<never>), ...(lossy.segments() as never[])]
    const undeclared = await reportOn(made, { segments })
    expect(undeclared.found).toMatchObject({ 'undeclared-loss': 1 })
    expect(undeclared.verdict).toBe('wrong')
    lossy.append([{ name: 'loss_declaration', body: { logId: made.logs.b.logId, lastKnownSeq: 4 } }])
    const declared = await reportOn(made, {
      segments: [...(made.contents.segments as Iterable<never>), ...(lossy.segments() as never[])],
    })
    expect(declared.found).toMatchObject({ 'declared-loss': 1 })
    expect(declared.verdict).toBe('proven-with-remarks')
  })

  it('is only worth a remark in a node’s file where the cloud keeps it twice over', async () => {
    const made = auditSite()
    const { a } = made.logs
    const rest = [...(made.contents.segments as Iterable<Segment>)].filter(one => one.logId !== a.logId)
    const body = { ...a.ref(), cloudEpoch: 1, issuedAt: SITE_OPENED_AT + HOUR_MS }
    const reportAt = (durability: number, source: 'node' | 'cloud'): Promise<AuditReport> =>
      reportOn(made, {
        header: { ...made.contents.header, source },
        segments: [...rest, ...a.segments(0, 1).slice(0, 1)],
        objects: [signObject(signerOf(made.site.cloud), { kind: 'ack', body: { ...body, durability } })],
        bills: [],
      })
    const pruned = await reportAt(2, 'node')
    expect(pruned.found.gap).toBeUndefined()
    expect(textsOf(pruned, 'pruned')[0]).toMatch(/events 1 to 7 are not here/)
    expect((await reportAt(1, 'node')).found).toMatchObject({ gap: 2 })
    expect((await reportAt(2, 'cloud')).found).toMatchObject({ gap: 2 })
  })

  it('is a device’s memory where it began anew', async () => {
    const made = auditSite()
    const fresh = made.site.openLog(made.devices.south, { openedAt: SITE_OPENED_AT + 6 * HOUR_MS })
    const report = await reportOn(made, {
      segments: [...(made.contents.segments as Iterable<never>), ...(fresh.segments() as never[])],
    })
    expect(report.found).toMatchObject({ 'new-store': 1 })
  })
})

describe('bills', () => {
  it('come to what is left when part was refunded', async () => {
    const made = auditSite()
    const { logs, devices } = made
    const words = sessionBodies({ chargerId: 'CP-9', startedAt: SITE_OPENED_AT })
    if (words.pricing.name !== 'pricing') throw new Error('a pricing')
    const pricing = { ...words.pricing.body, tariff: logs.operator.ref(1) }
    logs.second.append([words.start, { name: 'pricing', body: pricing }, words.end])
    const [session] = sessionsOf([{ device: devices.north, events: logs.second.events() }])
    if (!session) throw new Error('a session')
    const given = { amount: '0.13', currency: 'EUR', reason: 'late' }
    const body = { sessionId: session.sessionId, refundId: new Uint8Array(16), ...given }
    const [event] = logs.operator.append([{ name: 'refund', body }])
    const refunds = [{ ref: logs.operator.ref(), hlc: event?.hlc ?? 0n, body }]
    const corrections = { ...NO_CORRECTIONS, refunds }
    const { bills } = judge(session, { billed: [], finalise: false, tariffAt: () => undefined, corrections })
    const all = [logs.operator, logs.a, logs.b, logs.stolen, logs.second, logs.trunk]
    const segments = all.flatMap(log => log.segments())
    const more = saidOf(new Map([[session.sessionId, bills]]))
    const report = await reportOn(made, { segments, bills: [...made.bills, ...more] })
    expect(report.findings.filter(one => one.severity === 'wrong')).toEqual([])
    const told = expect.stringContaining('invoice 0.63 (ended), credit -0.13 (refunded)')
    expect(textsOf(report, 'corrected')).toContainEqual(told)
    expect(report.sessions).toMatchObject({ billed: { EUR: '2.76' }, due: { EUR: '2.76' } })
    const kept = await reportOn(made, { segments, bills: [...made.bills, ...more.slice(0, 1)] })
    expect(textsOf(kept, 'bill-mismatch')).toEqual([expect.stringContaining('credit -0.13 EUR are missing')])
  })

  it('are missing where a session ended and nobody was billed', async () => {
    const made = auditSite()
    const bills = made.bills.filter(bill => bill.sessionId !== made.sessions.plain.sessionId)
    const report = await reportOn(made, { bills })
    expect(textsOf(report, 'bill-missing')).toEqual([
      `session ${made.sessions.plain.sessionId}: 0.63 EUR for 2500 Wh`,
    ])
  })

  it('stand where their evidence counts no longer, until a person says otherwise', async () => {
    const made = auditSite()
    const billed = new Map()
    billAll(sessionsOf([{ device: made.devices.thief, events: made.logs.stolen.events() }]), billed)
    billed.delete(made.sessions.early.sessionId)
    const report = await reportOn(made, { bills: [...made.bills, ...saidOf(billed)] })
    expect(report.verdict).toBe('proven-with-remarks')
    expect(textsOf(report, 'withdrawn')).toEqual([expect.stringContaining(made.sessions.late.sessionId)])
  })

  it('of a session that no event tells of are wrong', async () => {
    const made = auditSite()
    const [bill] = made.bills
    if (!bill) throw new Error('a bill')
    const report = await reportOn(made, {
      bills: [...made.bills, { ...bill, sessionId: 'cd'.repeat(16) as never }],
    })
    expect(report.found).toMatchObject({ 'bill-without-session': 1 })
  })
})

describe('the page', () => {
  it('is one file without scripts, and no name gets out of its place', async () => {
    const made = auditSite()
    const report = await reportOn(made)
    const hostile = '<script>alert(1)</script>"\u202e'
    const page = pageOf({
      ...report,
      ...(report.site && { site: { ...report.site, name: hostile } }),
      devices: report.devices.map(one => ({ ...one, device: hostile })),
      findings: report.findings.map(one => ({ ...one, text: hostile })),
    })
    expect(page).not.toMatch(/<script|javascript:|src=|href=|url\(/i)
    expect(page).toContain(escaped('<script>alert(1)</script>"'))
    expect(page).not.toContain('\u202e')
    expect(pageOf(report)).toContain('North &lt;Stand&gt;')
    expect(pageOf(report)).toContain('CP-2/1')
  })

  it('is there for a file that cannot be read to its end, too', async () => {
    const made = auditSite()
    const file = await fileOf(made.contents, signerOf(made.site.cloud))
    const report = await checked(file.slice(0, file.length >> 1))
    expect(pageOf(report)).toMatch(/Wrong: this file does not prove.*the file is cut/s)
  })
})
