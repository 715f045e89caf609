// A site's day as the cloud is pushed it: real certificates, real logs under real Ed25519, cut and packed as a node's uplink does.
// Ten chargers charge at a time; each message of a charger is sealed on its own, as a node writes it: start and price in one,
// a reading each minute, the stop, and the mark behind the ack.
import type { AnyBody } from '../../src/log/body.ts'
import type { LogEvent } from '../../src/log/event.ts'
import type { Push } from '../../src/ports.ts'
import { countOf } from '../../src/replica/canonical.ts'
import type { SessionId } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies, type TestDevice, type TestSite, testSite } from '../site.ts'

type Segment = Push['segments'][number] & { readonly count: number }
export type SiteDay = {
  readonly site: TestSite
  readonly node: TestDevice
  /** The node's newest log. */
  readonly log: readonly LogEvent[]
  readonly pushes: readonly (Omit<Push, 'segments'> & { readonly segments: readonly Segment[] })[]
  readonly events: number
  readonly seals: number
}

export type Day = {
  readonly sessions: number
  /** Readings of a session. */
  readonly ticks: number
  /** Readings that one signature seals: 1, as each message of a charger is written by itself; more, where they come together. */
  readonly perSeal: number
  /** As in an uplink: no push holds more bytes of segments. */
  readonly batchBytes: number
}

const CHARGERS = 10
const MINUTE_MS = 60_000
/** Below the 4,096 events at which a node closes its log. */
const EVENTS_OF_LOG = 3_600
/** As src/replica/canonical.ts bounds a segment. */
const EVENTS_OF_SEGMENT = 256

export function dayOf(name: string, { sessions, ticks, perSeal, batchBytes }: Day): SiteDay {
  const site = testSite(`bench-ingest-${name}`)
  const node = site.device('node')
  const operator = site.openLog(site.issuer)
  const terms = { tariffId: 'day', currency: 'EUR', pricePerKwh: '0.25', effectiveAt: SITE_OPENED_AT }
  operator.append([{ name: 'tariff', body: terms }])
  const tariff = operator.ref()
  const logs = [operator]
  let log = site.openLog(node)
  logs.push(log)
  let at = SITE_OPENED_AT
  const ended: { readonly sessionId: SessionId; readonly end: ReturnType<typeof log.ref> }[] = []
  for (let done = 0; done < sessions; done += CHARGERS) {
    if (log.events().length > EVENTS_OF_LOG) {
      log.append([{ name: 'epoch_close', body: { finalSeq: log.events().length } }], at)
      log = site.openLog(node, { prev: log.ref(), openedAt: at, storeState: 'intact' })
      logs.push(log)
    }
    const round = Array.from({ length: Math.min(CHARGERS, sessions - done) }, (_, i) =>
      sessionBodies({
        ...{
          chargerId: `CP-${i}`,
          meterStartWh: 1_000 + done * 2_000,
          meterStopWh: 1_000 + done * 2_000 + 11_300,
        },
        ...{ startedAt: at + i * 100, stoppedAt: at + ticks * MINUTE_MS },
      }),
    )
    for (const words of round) {
      if (words.pricing.name !== 'pricing') throw new TypeError('a pricing')
      at += 40
      log.append([words.start, { name: 'pricing', body: { ...words.pricing.body, tariff } }], at)
    }
    for (const { sessionId, end } of ended.splice(0))
      log.append([{ name: 'reconciliation_mark', body: { sessionId, end, cloudEpoch: 1, ackedAt: at } }], at)
    for (let tick = 1; tick <= ticks; tick++) {
      at += MINUTE_MS
      const read = round.map(words =>
        words.tick(1_000 + done * 2_000 + tick * Math.floor(11_000 / ticks), at),
      )
      for (const some of inParts(read, perSeal)) log.append(some, at)
    }
    for (const words of round) {
      at += 40
      log.append([words.end], at)
      ended.push({ sessionId: words.sessionId, end: log.ref() })
    }
    at += MINUTE_MS
  }
  const events = logs.flatMap(one => one.events())
  const segments = logs.flatMap(one =>
    one.segments(0, EVENTS_OF_SEGMENT).map(segment => ({ ...segment, count: countOf(segment.update) })),
  )
  const certificates = [site.issuer, node].map(one => one.certificate.encoded)
  return {
    ...{ site, node, log: log.events(), pushes: packed(segments, batchBytes, certificates) },
    ...{ events: events.length, seals: events.filter(event => event.signature).length },
  }
}

function inParts(all: readonly AnyBody[], most: number): readonly (readonly AnyBody[])[] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, i) => all.slice(i * most, (i + 1) * most))
}

/** Certificates go with the first segment of a log. */
function packed(
  segments: readonly Segment[],
  batchBytes: number,
  certificates: readonly Uint8Array[],
): SiteDay['pushes'] {
  const batches: Segment[][] = [[]]
  let bytes = 0
  for (const segment of segments) {
    if (bytes > 0 && bytes + segment.update.length > batchBytes) {
      batches.push([])
      bytes = 0
    }
    bytes += segment.update.length
    batches.at(-1)?.push(segment)
  }
  return batches.map(batch => ({
    segments: batch,
    certificates: batch.some(one => one.fromSeq === 0) ? certificates : [],
    sinceVersion: 0,
  }))
}
