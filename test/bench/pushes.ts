// A site's day as the cloud is pushed it: real certificates, real logs under real Ed25519, cut and packed as a node's uplink does.
// Ten chargers charge at a time; each message of a charger is sealed on its own, as a node writes it: start and price in one,
// a reading each minute, the stop, and the mark behind the ack.
import type { Push } from '../../src/ports.ts'
import type { SessionId } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies, type TestSite, testSite } from '../site.ts'

export type SiteDay = {
  readonly site: TestSite
  readonly pushes: readonly Push[]
  readonly events: number
  readonly seals: number
}

export type Day = {
  readonly sessions: number
  /** Readings of a session. */
  readonly ticks: number
  /** As in an uplink: no push holds more bytes of segments. */
  readonly batchBytes: number
}

const CHARGERS = 10
const MINUTE_MS = 60_000
/** Below the 4,096 events at which a node closes its log. */
const EVENTS_OF_LOG = 3_600
/** As src/replica/canonical.ts bounds a segment. */
const EVENTS_OF_SEGMENT = 256

export function dayOf(name: string, { sessions, ticks, batchBytes }: Day): SiteDay {
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
        ...{ chargerId: `CP-${i}`, meterStartWh: 1_000 + done * 2_000, meterStopWh: 1_000 + done * 2_000 + 11_300 },
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
      for (const words of round)
        log.append([words.tick(1_000 + done * 2_000 + tick * Math.floor(11_000 / ticks), at)], at)
    }
    for (const words of round) {
      at += 40
      log.append([words.end], at)
      ended.push({ sessionId: words.sessionId, end: log.ref() })
    }
    at += MINUTE_MS
  }
  const events = logs.flatMap(one => one.events())
  const segments = logs.flatMap(one => one.segments(0, EVENTS_OF_SEGMENT))
  const certificates = [site.issuer, node].map(one => one.certificate.encoded)
  return {
    ...{ site, pushes: packed(segments, batchBytes, certificates) },
    ...{ events: events.length, seals: events.filter(event => event.signature).length },
  }
}

function packed(
  segments: Push['segments'],
  batchBytes: number,
  certificates: readonly Uint8Array[],
): readonly Push[] {
  const batches: Push['segments'][number][][] = [[]]
  let bytes = 0
  for (const segment of segments) {
    if (bytes > 0 && bytes + segment.update.length > batchBytes) {
      batches.push([])
      bytes = 0
    }
    bytes += segment.update.length
    batches.at(-1)?.push(segment)
  }
  return batches.map(batch => ({ segments: batch, certificates, sinceVersion: 0 }))
}
