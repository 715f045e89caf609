// Nodes of one site without network, disk or time: each has a ledger of its own, hears chargers through serve(), and
// exchanges logs with another node only when a test says so. What a real node adds is durability and transport.

import { cardContext } from '../../src/card.ts'
import { sha256 } from '../../src/identity/hash.ts'
import { createLedger, type Ledger } from '../../src/ledger.ts'
import { type BodyOf, decodeBody, type EventName, type EventRef } from '../../src/log/body.ts'
import type { ChargerAnswer, ChargerMessage, ChargerTime } from '../../src/ports.ts'
import { serve } from '../../src/serve.ts'
import type { ChargerSessions, Session } from '../../src/session/fold.ts'
import { type ChargerId, hex, type TokenRef } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, type TestLog, type TestSite, testSite } from '../site.ts'

export const MINUTE_MS = 60_000
export const HOUR_MS = 3600_000
export const DAY_MS = 24 * HOUR_MS
export const CHARGER = 'CP-1' as ChargerId
export const CARD = 'aa'.repeat(16) as TokenRef
export const OTHER_CARD = 'bb'.repeat(16) as TokenRef

export type ChargingNode = {
  readonly ledger: Ledger
  readonly device: TestDevice
  /** The wall clock of this node; a test moves it. */
  clock: { at: number }
  /** One message of a charger; what serve() decided is written, as node.ts would. */
  readonly say: (message: ChargerMessage, from?: ChargerId) => ChargerAnswer
  readonly start: (words?: Partial<Words>) => { transactionId: number; allowed: string }
  readonly meter: (words: Partial<Words> & { transactionId: number; energyWh: number }) => void
  readonly stop: (words: Partial<Words> & { transactionId: number }) => void
  readonly of: (chargerId?: ChargerId) => ChargerSessions
  /** The one session of the charger; throws when there are none or more. */
  readonly only: (chargerId?: ChargerId) => Session
  /** Bodies of one kind that this node itself has written, in order. */
  readonly wrote: <N extends EventName>(name: N) => readonly BodyOf<N>[]
}

export type Words = {
  readonly chargerId: ChargerId
  readonly connectorId: number
  readonly tokenRef: TokenRef
  readonly meterStartWh: number
  readonly meterStopWh: number
  /** When it happened, by the charger's clock; the node's own clock by default. */
  readonly at: number
  /** The charger's time as it wrote it. */
  readonly time: ChargerTime
  readonly reason: string
}

export type Campus = {
  readonly site: TestSite
  readonly operator: TestLog
  readonly node: (name: string) => ChargingNode
  /** The operator's log reaches these nodes, as far as it is written. */
  readonly publish: (...nodes: readonly ChargingNode[]) => void
  readonly grant: (over?: Partial<BodyOf<'grant'>>) => EventRef
  readonly revoke: (tokenRef: TokenRef) => EventRef
  readonly tariff: (pricePerKwh: string, effectiveAt?: number) => EventRef
}

/** A site with a tariff of 0.25 EUR and one card that may charge for a year. */
export function campus(seed = 'campus'): Campus {
  const site = testSite(seed)
  const operator = site.openLog(site.issuer)
  const made: Campus = {
    site,
    operator,
    node: name => chargingNode(site, name),
    publish: (...nodes) => {
      for (const { ledger, clock } of nodes)
        for (const segment of operator.segments()) ledger.admit(segment, { wallMs: clock.at, monotonicMs: 0 })
    },
    grant: over => {
      operator.append([{ name: 'grant', body: grantBody(over) }])
      return operator.ref()
    },
    revoke: tokenRef => {
      operator.append([{ name: 'revoke', body: { tokenRef, reason: 'lost', effectiveAt: SITE_OPENED_AT } }])
      return operator.ref()
    },
    tariff: (pricePerKwh, effectiveAt = SITE_OPENED_AT) => {
      operator.append([
        { name: 'tariff', body: { tariffId: 'T1', currency: 'EUR', pricePerKwh, effectiveAt } },
      ])
      return operator.ref()
    },
  }
  made.tariff('0.25')
  made.grant()
  return made
}

export function grantBody(over: Partial<BodyOf<'grant'>> = {}): BodyOf<'grant'> {
  return {
    tokenRef: CARD,
    accountRef: 'cc'.repeat(16),
    whitelist: 'ALLOWED_OFFLINE',
    supersedes: [],
    scope: { zones: [], connectorTypes: [] },
    notBeforeAt: SITE_OPENED_AT - DAY_MS,
    notAfterAt: SITE_OPENED_AT + 365 * DAY_MS,
    offline: { maxAgeS: 30 * 24 * 3600 },
    class: 'standard',
    ...over,
  }
}

/** The reference under which a card's id is known. */
export function referenceOf(idTag: string): TokenRef {
  return hex<TokenRef>(sha256(new TextEncoder().encode(idTag)).subarray(0, 16))
}

export function iso(at: number): ChargerTime {
  return { raw: new Date(at).toISOString(), at }
}

function chargingNode(site: TestSite, name: string): ChargingNode {
  const device = site.device(name)
  const { certificate, keys } = device
  const clock = { at: SITE_OPENED_AT + HOUR_MS }
  const ledger = createLedger({
    roster: site.roster([device]),
    signatures: site.signatures,
    certificate,
    logKey: keys.logKey,
    random: { bytes: site.random },
    swVersion: 'test',
  })
  const statuses = new Map<string, string>()
  const say = (message: ChargerMessage, from = CHARGER): ChargerAnswer => {
    clock.at += 1
    const times = { wallMs: clock.at, monotonicMs: clock.at - SITE_OPENED_AT }
    const context = {
      view: ledger.view(),
      card: cardContext(ledger, times),
      self: certificate.deviceId,
      statusOf: (of: ChargerId, connectorId: number) => statuses.get(`${of}/${connectorId}`),
      heartbeatS: 300,
      seal: (plain: string) => new TextEncoder().encode(plain),
    }
    const { bodies, answer } = serve(context, { chargerId: from, connectionId: 1, message, repairs: [] })
    ledger.write(bodies, times)
    if (message.kind === 'status')
      statuses.set(`${from}/${message.connectorId}`, `${message.status}/${message.errorCode}`)
    return answer
  }
  const timeOf = (words: Partial<Words>): ChargerTime => words.time ?? iso(words.at ?? clock.at)
  return {
    ledger,
    device,
    clock,
    say,
    start: (words = {}) => {
      const { connectorId = 1, tokenRef = CARD, meterStartWh = 154_200 } = words
      const message = { connectorId, tokenRef, meterStartWh, startedAt: timeOf(words) }
      const answer = say({ kind: 'start', ...message }, words.chargerId)
      if (answer.kind !== 'started') throw new Error(`a start was answered with ${answer.kind}`)
      return answer
    },
    meter: ({ transactionId, energyWh, connectorId = 1, chargerId, ...words }) => {
      const readings = [{ sampledAt: timeOf(words), energyWh }]
      say({ kind: 'meter', connectorId, transactionId, readings }, chargerId)
    },
    stop: ({ transactionId, meterStopWh = 156_700, reason = 'Local', chargerId, ...words }) => {
      const message = { transactionId, meterStopWh, reason, stoppedAt: timeOf(words), readings: [] }
      const answer = say({ kind: 'stop', ...message }, chargerId)
      if (answer.kind !== 'stopped') throw new Error(`a stop was answered with ${answer.kind}`)
    },
    of: (chargerId = CHARGER) => ledger.view().ofCharger(chargerId),
    only: (chargerId = CHARGER) => {
      const { sessions } = ledger.view().ofCharger(chargerId)
      const [session] = sessions
      if (!session || sessions.length !== 1) throw new Error(`${sessions.length} sessions, wanted one`)
      return session
    },
    wrote: wanted => bodiesIn(ledger, certificate.deviceId, wanted),
  }
}

function bodiesIn<N extends EventName>(ledger: Ledger, author: string, wanted: N): readonly BodyOf<N>[] {
  const bodies: BodyOf<N>[] = []
  for (const log of ledger.logs.all()) {
    if (log.certificate.deviceId !== author) continue
    for (const element of log.elements) {
      // The fixed fields are 19 bytes; what follows the body is the signature (PROTOCOL 1.3).
      const length = new DataView(element.buffer, element.byteOffset).getUint16(17)
      const said = decodeBody(element[1] ?? -1, element.slice(19, 19 + length))
      if (said?.name === wanted) bodies.push(said.body as BodyOf<N>)
    }
  }
  return bodies
}

/** Everything that `from` holds reaches `to`. */
export function carry(from: ChargingNode, to: ChargingNode): void {
  for (const certificate of from.ledger.chainOf(from.device.certificate)) to.ledger.enrol(certificate)
  for (const log of from.ledger.logs.all()) {
    for (const segment of from.ledger.logs.segments(log.logId, 0, Number.MAX_SAFE_INTEGER)) {
      const { kind } = to.ledger.admit(segment, { wallMs: to.clock.at, monotonicMs: 0 })
      if (kind !== 'admitted' && kind !== 'duplicate') throw new Error(`a segment was refused: ${kind}`)
    }
  }
}

/** Both hear all that the other one holds. */
export function meet(a: ChargingNode, b: ChargingNode): void {
  carry(a, b)
  carry(b, a)
}

/** What of a session all nodes must agree upon, without the places where it was recorded. */
export function gist({ sessions, orphanEnds }: ChargerSessions): unknown {
  return { sessions, orphanEnds }
}
