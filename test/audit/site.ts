// A small site as an audit file: an operator, nodes, sessions that were corrected, joined, never ended or told by a thief, and the bills
// that the cloud's own rule writes for them. Everything is seeded: the same bytes each time.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { BillSaid, Header } from '../../src/audit/format.ts'
import type { AuditReport } from '../../src/audit/report.ts'
import { type AuditContents, auditBytes } from '../../src/audit/stream.ts'
import { NO_CORRECTIONS } from '../../src/billing/corrections.ts'
import { judge } from '../../src/billing/judge.ts'
import type { Bill } from '../../src/billing/revisions.ts'
import { type Checking, checkAuditFile } from '../../src/host/audit-file.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import { type AnyBody, decodeBody, type EventRef } from '../../src/log/body.ts'
import type { LogEvent } from '../../src/log/event.ts'
import { type ObjectSigner, signObject } from '../../src/log/object.ts'
import type { Segment } from '../../src/ports.ts'
import { addFact, emptyFacts } from '../../src/session/facts.ts'
import { foldCharger, type Session } from '../../src/session/fold.ts'
import type { Tariff } from '../../src/tariff/tariffs.ts'
import type { SessionId } from '../../src/units.ts'
import {
  type SessionBodies,
  SITE_OPENED_AT,
  sessionBodies,
  type TestDevice,
  type TestLog,
  testSite,
} from '../site.ts'

const HOUR_MS = 3600_000

export type Told = { readonly device: TestDevice; readonly log: TestLog }

export function signerOf({ certificate, keys }: TestDevice): ObjectSigner {
  return { certHash: certificate.hash, logKey: keys.logKey, signatures: ed25519() }
}

/** The sessions that these logs tell of, folded as anybody does. */
export function sessionsOf(
  told: readonly { readonly device: TestDevice; readonly events: readonly LogEvent[] }[],
): readonly Session[] {
  const facts = emptyFacts()
  for (const { device, events } of told)
    for (const event of events) {
      const said = decodeBody(event.type, event.body)
      if (said) addFact(facts, event, said, device.certificate.deviceId)
    }
  return [...facts.chargers.values()].flatMap(charger => foldCharger(charger).sessions)
}

/** What the cloud writes behind what it has written for these sessions by now. */
export function billAll(
  sessions: readonly Session[],
  billed: Map<SessionId, Bill[]>,
  finalise: readonly SessionId[] = [],
): void {
  for (const session of sessions) {
    const before = billed.get(session.sessionId) ?? []
    const { bills } = judge(session, {
      billed: before,
      finalise: finalise.includes(session.sessionId),
      tariffAt: () => undefined,
      corrections: NO_CORRECTIONS,
    })
    if (bills.length > 0) billed.set(session.sessionId, [...before, ...bills])
  }
}

export function saidOf(billed: ReadonlyMap<SessionId, readonly Bill[]>): readonly BillSaid[] {
  return [...billed].flatMap(([sessionId, bills]) =>
    bills.map(bill => ({ ...bill, sessionId, issuedAt: SITE_OPENED_AT + 10 * HOUR_MS })),
  )
}

export function auditSite(seed = 'audit') {
  const site = testSite(seed)
  const { issuer, cloud } = site
  const [north, south, thief] = ['north', 'south', 'thief'].map(name => site.device(name)) as [
    TestDevice,
    TestDevice,
    TestDevice,
  ]
  const operator = site.openLog(issuer)
  const tariff: Omit<Tariff, 'ref' | 'hlc'> = {
    ...{ tariffId: 'day', currency: 'EUR', pricePerKwh: '0.25', effectiveAt: SITE_OPENED_AT },
  }
  operator.append([{ name: 'tariff', body: tariff }])
  const tariffRef = operator.ref()
  const priced = (words: Parameters<typeof sessionBodies>[0]): SessionBodies => {
    const bodies = sessionBodies(words)
    if (bodies.pricing.name !== 'pricing') throw new Error('a pricing')
    return { ...bodies, pricing: { name: 'pricing', body: { ...bodies.pricing.body, tariff: tariffRef } } }
  }
  const [a, b] = [site.openLog(north), site.openLog(south)]
  const stolen = site.openLog(thief)
  const plain = priced({ chargerId: 'CP-1' })
  a.append([plain.start, plain.pricing], SITE_OPENED_AT + 2_000)
  a.append([plain.tick(154_900, SITE_OPENED_AT + HOUR_MS / 2)], SITE_OPENED_AT + HOUR_MS / 2)
  a.append([plain.end], SITE_OPENED_AT + HOUR_MS)
  const corrected = priced({ chargerId: 'CP-2', meterStopWh: 154_200 + 4_000 })
  const smaller = priced({ chargerId: 'CP-2', meterStopWh: 154_200 + 3_000 })
  a.append([corrected.start, corrected.pricing, corrected.end], SITE_OPENED_AT + HOUR_MS + 2_000)
  const unended = priced({ chargerId: 'CP-3' })
  b.append([unended.start, unended.pricing])
  b.append([unended.tick(155_200, SITE_OPENED_AT + HOUR_MS)], SITE_OPENED_AT + HOUR_MS)
  const early = priced({ chargerId: 'CP-4' })
  stolen.append([early.start, early.pricing, early.end])
  operator.append([
    {
      name: 'device_revoke',
      body: {
        deviceId: thief.certificate.deviceId,
        serial: thief.certificate.serial,
        ...{ reason: 'stolen', cutoff: [stolen.ref()] },
      },
    },
  ])
  const told = (): { device: TestDevice; events: readonly LogEvent[] }[] =>
    [a, b].map((log, i) => ({ device: i === 0 ? north : south, events: log.events() }))
  const billed = new Map<SessionId, Bill[]>()
  const counted = stolen.events()
  billAll(sessionsOf([...told(), { device: thief, events: [...counted] }]), billed, [unended.sessionId])
  // The same stop again from another node, of a smaller register; then words of the thief that count no more.
  b.append([smaller.end], SITE_OPENED_AT + 3 * HOUR_MS)
  billAll(sessionsOf(told()), billed)
  const late = priced({ chargerId: 'CP-5' })
  stolen.append([late.start, late.pricing, late.end], SITE_OPENED_AT + 4 * HOUR_MS)
  const bills = saidOf(billed)
  const second = site.openLog(north, {
    prev: a.ref(),
    openedAt: SITE_OPENED_AT + 5 * HOUR_MS,
    storeState: 'intact',
  })
  // A disk that was copied: the same epoch goes on twice.
  const restored = site.device('restored')
  const trunk = site.openLog(restored)
  const branch = site.openLog(restored, { epochId: trunk.epochId })
  trunk.append([{ name: 'tamper', body: { kind: 'lid', detail: 'opened' } }])
  branch.append([{ name: 'tamper', body: { kind: 'lid', detail: 'never opened' } }])
  const logs: readonly TestLog[] = [operator, a, b, stolen, second, trunk]
  const acks = [a, b].map(log =>
    signObject(signerOf(cloud), {
      kind: 'ack',
      body: {
        ...{ logId: log.logId, seq: log.ref().seq, hash: log.ref().hash },
        ...{ durability: 1, cloudEpoch: 1, issuedAt: SITE_OPENED_AT + 10 * HOUR_MS },
      },
    }),
  )
  const header: Omit<Header, 'version'> = {
    ...{
      siteId: site.siteId,
      rootKey: site.rootKey,
      siteName: 'North <Stand>',
      source: 'cloud',
      madeBy: 'cloud',
    },
    ...{ madeAt: SITE_OPENED_AT + 10 * HOUR_MS, swVersion: 'test' },
    events: logs.reduce((sum, log) => sum + log.events().length, 0),
  }
  const contents: AuditContents = {
    header,
    certificates: [issuer, cloud, north, south, thief, restored].map(one => one.certificate.encoded),
    segments: logs.flatMap(log => log.segments(0, 4)),
    forks: branch.segments(1),
    objects: acks,
    sessions: [],
    bills,
  }
  return {
    site,
    contents,
    logs: { operator, a, b, stolen, second, trunk, branch },
    sessions: { plain, corrected, unended, early, late },
    bills,
    devices: { north, south, thief, restored },
  }
}

export async function fileOf(contents: AuditContents, signer: ObjectSigner): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of auditBytes(contents, signer)) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

export function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'cm-audit-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Checks these bytes as a file. */
export async function checked(bytes: Uint8Array, options: Partial<Checking> = {}): Promise<AuditReport> {
  const path = join(folder(), 'file.audit')
  writeFileSync(path, bytes)
  return await checkAuditFile(path, { signatures: ed25519(), everySeal: false, ...options })
}

export type { AnyBody, EventRef, Segment }
