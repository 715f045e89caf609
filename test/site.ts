// A whole site for tests, from a seed: a root, an issuer, a cloud and as many nodes as a test asks for, all with real
// certificates; logs that are written with the real writer and cut into the segments that a peer would push; and the
// bodies of an ordinary session. The same seed gives the same bytes.
import {
  CERTIFICATE_VERSION,
  type Certificate,
  ISSUED_BY_ROOT,
  issueCertificate,
  type Role,
  siteIdOf,
} from '../src/identity/certificate.ts'
import { sha256 } from '../src/identity/hash.ts'
import { type DeviceKeys, drawKeys, publicKeys } from '../src/identity/keys.ts'
import { createRoster, type Roster } from '../src/identity/roster.ts'
import { ed25519, publicKeyOf, type Signatures } from '../src/identity/signature.ts'
import type { AnyBody, BodyOf, EventRef } from '../src/log/body.ts'
import { encodeElement, type LogEvent, type LogHead } from '../src/log/event.ts'
import { hlcOf } from '../src/log/hlc.ts'
import { headAfter, logIdOf, write } from '../src/log/writer.ts'
import type { Segment } from '../src/ports.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES } from '../src/replica/canonical.ts'
import { sessionIdOf, transactionIdOf } from '../src/session/id.ts'
import {
  type ChargerId,
  type EpochId,
  hex,
  type LogId,
  type SessionId,
  type SiteId,
  type TokenRef,
} from '../src/units.ts'

/** 2026-06-01T08:00:00Z: when everything at a test site begins, unless a test says otherwise. */
export const SITE_OPENED_AT = Date.UTC(2026, 5, 1, 8)
const DAY_MS = 24 * 3600 * 1000

export type TestDevice = {
  readonly name: string
  /** Secret seeds. */
  readonly keys: DeviceKeys
  /** As verified against the root; `.encoded` is what is sent. */
  readonly certificate: Certificate
}

export type TestSite = {
  readonly siteId: SiteId
  readonly rootKey: Uint8Array
  readonly rootSeed: Uint8Array
  readonly signatures: Signatures
  /** Seeded bytes. */
  readonly random: (length: number) => Uint8Array
  readonly issuer: TestDevice
  readonly cloud: TestDevice
  /** A new device, certified by the issuer unless told otherwise (an issuer itself: by the root). Role `node` unless given. */
  readonly device: (
    name: string,
    roles?: readonly Role[],
    validFor?: { fromAt: number; toAt: number },
    by?: TestDevice | 'root',
  ) => TestDevice
  /** A roster that knows the issuer, the cloud and these. */
  readonly roster: (devices?: readonly TestDevice[]) => Roster
  /** A new log of a device, with its epoch_open written. */
  readonly openLog: (device: TestDevice, options?: OpenOptions) => TestLog
}

export type OpenOptions = {
  readonly prev?: EventRef
  readonly storeState?: 'intact' | 'lossy' | 'fresh'
  readonly openedAt?: number
  /** The same epoch twice is what a thief of the key does: two branches of one log. */
  readonly epochId?: EpochId
}

export type TestLog = {
  readonly logId: LogId
  readonly epochId: EpochId
  readonly events: () => readonly LogEvent[]
  /** Writes and seals; `wallMs` is the node's clock, by default a second after the last time. */
  readonly append: (bodies: readonly AnyBody[], wallMs?: number) => readonly LogEvent[]
  /** The log from `fromSeq` on, as segments of at most `maxEvents` events that each end in a seal. */
  readonly segments: (fromSeq?: number, maxEvents?: number) => readonly Segment[]
  /** The place of an event; of the newest one without `seq`. */
  readonly ref: (seq?: number) => EventRef
}

export function testSite(seed = 'site'): TestSite {
  const signatures = ed25519()
  const random = seeded(seed)
  const rootSeed = random(32)
  const rootKey = publicKeyOf(rootSeed)
  const siteId = siteIdOf(rootKey)
  const known = createRoster({ signatures }, siteId, rootKey)
  let serial = 0
  const certify = (name: string, roles: readonly Role[], by?: TestDevice, valid = lifetime()): TestDevice => {
    const keys = drawKeys(random)
    serial += 1
    const encoded = issueCertificate(signatures, by ? by.keys.logKey : rootSeed, {
      version: CERTIFICATE_VERSION,
      siteId,
      issuedBy: by ? by.certificate.hash : ISSUED_BY_ROOT,
      serial,
      name,
      roles,
      ...publicKeys(keys),
      notBeforeAt: valid.fromAt,
      notAfterAt: valid.toAt,
    })
    const verdict = known.enrol(encoded)
    if (verdict.kind === 'refused') throw new Error(`certificate of ${name}: ${verdict.reason}`)
    return { name, keys, certificate: verdict.certificate }
  }
  const issuer = certify('issuer', ['issuer'])
  const cloud = certify('cloud', ['cloud'], issuer)
  return {
    siteId,
    rootKey,
    rootSeed,
    signatures,
    random,
    issuer,
    cloud,
    device: (name, roles = ['node'], valid, by = roles.includes('issuer') ? 'root' : issuer) =>
      certify(name, roles, by === 'root' ? undefined : by, valid),
    roster: (devices = []) => {
      const roster = createRoster({ signatures }, siteId, rootKey)
      for (const device of [issuer, cloud, ...devices]) roster.enrol(device.certificate.encoded)
      return roster
    },
    openLog: (device, options = {}) => openLog({ siteId, signatures, random }, device, options),
  }
}

function lifetime(): { fromAt: number; toAt: number } {
  return { fromAt: SITE_OPENED_AT - DAY_MS, toAt: SITE_OPENED_AT + 3650 * DAY_MS }
}

/** SHA-256 in counter mode. */
function seeded(seed: string): (length: number) => Uint8Array {
  let counter = 0
  return length => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      const block = sha256(new TextEncoder().encode(`${seed}/${counter++}`))
      bytes.set(block.subarray(0, length - at), at)
    }
    return bytes
  }
}

type Maker = Pick<TestSite, 'siteId' | 'signatures' | 'random'>

/** A log of any site's device, whose keys the test has. */
export function openLog(
  { siteId, signatures, random }: Maker,
  device: TestDevice,
  options: OpenOptions,
): TestLog {
  const epochId = options.epochId ?? hex<EpochId>(random(16))
  const logId = logIdOf(device.certificate.deviceId, epochId)
  const openedAt = options.openedAt ?? SITE_OPENED_AT
  const events: LogEvent[] = []
  let wallMs = openedAt
  const append = (bodies: readonly AnyBody[], at = wallMs + 1000): readonly LogEvent[] => {
    wallMs = at
    const last = events.at(-1)
    const head: LogHead | undefined = last && headAfter(last)
    const writer = { logId, logKey: device.keys.logKey, signatures, head }
    const time = { hlc: head?.hlc ?? hlcOf(0), wallMs: at, monoMs: Math.max(0, at - openedAt) }
    const written = write(writer, bodies, time)
    events.push(...written)
    return written
  }
  const body: BodyOf<'epoch_open'> = {
    epochId,
    certHash: device.certificate.hash,
    siteId,
    ...(options.prev && { prev: options.prev }),
    bootReason: 'start',
    storeState: options.storeState ?? 'fresh',
    swVersion: 'test',
    policyHead: [],
  }
  append([{ name: 'epoch_open', body }], openedAt)
  return {
    logId,
    epochId,
    events: () => events,
    append,
    segments: (fromSeq = 0, maxEvents = 256) => segmentsOf(events.slice(fromSeq), maxEvents),
    ref: seq => {
      const event = events.at(seq ?? -1)
      if (!event) throw new Error(`no event ${seq}`)
      return { logId, seq: event.seq, hash: event.hash }
    },
  }
}

/** Cuts events into segments that end in a seal and fit the gate's limits. */
export function segmentsOf(events: readonly LogEvent[], maxEvents = 256): readonly Segment[] {
  const segments: Segment[] = []
  let rest = events
  while (rest[0] !== undefined) {
    let size = 0
    let end = 0
    for (const [i, event] of rest.slice(0, maxEvents).entries()) {
      size += encodeElement(event).length + 16
      if (size > MAX_SEGMENT_BYTES - 64) break
      if (event.signature) end = i + 1
    }
    if (end === 0) throw new Error('no seal within one segment')
    const update = encodeUpdate(rest[0].seq, rest.slice(0, end).map(encodeElement))
    segments.push({ logId: rest[0].logId, fromSeq: rest[0].seq, update })
    rest = rest.slice(end)
  }
  return segments
}

export type SessionWords = {
  readonly chargerId?: string
  readonly connectorId?: number
  readonly tokenRef?: string
  readonly meterStartWh?: number
  readonly meterStopWh?: number
  readonly startedAt?: number
  readonly stoppedAt?: number
  readonly allowed?: 'ALLOWED' | 'BLOCKED'
  readonly currency?: string
  readonly pricePerKwh?: string
  /** Why it was allowed, and why it stopped. */
  readonly reason?: string
}

export type SessionBodies = {
  readonly sessionId: SessionId
  readonly transactionId: number
  readonly start: AnyBody
  readonly pricing: AnyBody
  /** A reading; sampled at the start unless said otherwise. */
  readonly tick: (energyWh: number, sampledAt?: number) => AnyBody
  readonly end: AnyBody
  /** The same stop, recorded by a node that did not know the start. */
  readonly orphanEnd: AnyBody
}

/** An ordinary session as event bodies: 2.5 kWh at 0.25 EUR unless said otherwise. */
export function sessionBodies(words: SessionWords = {}): SessionBodies {
  const chargerId = (words.chargerId ?? 'CP-1') as ChargerId
  const connectorId = words.connectorId ?? 1
  const meterStartWh = words.meterStartWh ?? 154_200
  const meterStopWh = words.meterStopWh ?? meterStartWh + 2_500
  const startedAt = words.startedAt ?? SITE_OPENED_AT
  const stoppedAt = words.stoppedAt ?? startedAt + 3600_000
  const tokenRef = (words.tokenRef ?? 'aa'.repeat(16)) as TokenRef
  const started = { raw: new Date(startedAt).toISOString(), at: startedAt }
  const stopped = { raw: new Date(stoppedAt).toISOString(), at: stoppedAt }
  const sessionId = sessionIdOf({ chargerId, connectorId, meterStartWh, startedAtRaw: started.raw })
  const transactionId = transactionIdOf(sessionId, () => false)
  const reason = words.reason ?? 'Local'
  const end = { chargerId, transactionId, meterStopWh, stoppedAt: stopped, reason, connectionId: 1 }
  return {
    sessionId,
    transactionId,
    start: {
      name: 'session_start',
      body: {
        ...{ sessionId, chargerId, connectorId, tokenRef, meterStartWh, startedAt: started, transactionId },
        ...{ allowed: words.allowed ?? 'ALLOWED', reason, policyHead: [], tier: 'FULL' },
        ...{ connectionId: 1, clock: 'ntp' },
      },
    },
    pricing: {
      name: 'pricing',
      body: {
        sessionId,
        tariff: { logId: '11'.repeat(16) as LogId, seq: 1, hash: '22'.repeat(32) as EventRef['hash'] },
        currency: words.currency ?? 'EUR',
        pricePerKwh: words.pricePerKwh ?? '0.25',
      },
    },
    tick: (energyWh, sampledAt = startedAt) => ({
      name: 'meter_tick',
      body: {
        ...{ sessionId, chargerId, connectorId, transactionId, energyWh, connectionId: 1 },
        sampledAt: { raw: new Date(sampledAt).toISOString(), at: sampledAt },
      },
    }),
    end: { name: 'session_end', body: { ...end, sessionId, clock: 'ntp' } },
    orphanEnd: { name: 'session_end', body: { ...end, clock: 'ntp' } },
  }
}
