// What a file should hold and does not: epochs form a chain by the one before that each names, acks and beacons name heads, events
// name others; and whose events count, by the same fold as at nodes (authorization/standing.ts).
import { createStanding, type Standing } from '../authorization/standing.ts'
import { ISSUED_BY_ROOT } from '../identity/certificate.ts'
import type { EventRef } from '../log/body.ts'
import type { DeviceId } from '../units.ts'
import { type BookedLog, hashAt } from './book.ts'
import type { FindingBook } from './findings.ts'
import { isOperator, type Read } from './proof.ts'

/** Settles from where on each log no longer counts. */
export function weighLogs({ logs, said, roster, exporter }: Read, findings: FindingBook): Standing {
  const standing = createStanding(roster.manifest()?.withdrawn ?? [], roster.certificate)
  for (const { logId, certificate, opened, forkAt } of logs.values()) {
    // Of two first events neither says which log came before.
    const prev = forkAt === 0 ? undefined : opened.prev
    standing.addEpoch(certificate, { logId, serial: certificate.serial, prev })
  }
  const isOfRoot = ({ certificate }: BookedLog): boolean => certificate.issuedBy === ISSUED_BY_ROOT
  const limit = (log: BookedLog): void => {
    log.limit = Math.min(log.forkAt, standing.limitOf(log.certificate, log.logId))
  }
  // Each layer hangs on the words of those before it alone.
  for (const isMeant of [isOfRoot, (log: BookedLog) => !isOfRoot(log)]) {
    const meant = [...logs.values()].filter(log => isOperator(log.certificate) && isMeant(log))
    for (const log of meant) limit(log)
    for (const { log, event, said: body } of said) {
      if (!meant.includes(log) || event.seq >= log.limit) continue
      if (body.name === 'device_revoke') standing.revoke(body.body)
      if (body.name !== 'device_cert' || !isOfRoot(log) || !log.certificate.roles.includes('issuer')) continue
      const verdict = roster.enrol(body.body.certificate)
      if (verdict.kind === 'valid') standing.certify(verdict.certificate.hash)
    }
  }
  for (const log of logs.values()) {
    if (!isOperator(log.certificate)) limit(log)
    const beyond = Math.min(log.forkAt, log.head.seq + 1) - log.limit
    if (beyond > 0)
      findings.add(
        'beyond-cutoff',
        `${beyond} events of log ${log.logId} of ${log.certificate.name}, from ${log.limit} on`,
        log.logId,
      )
  }
  if (exporter && standing.isVoid(exporter))
    findings.add('bad-exporter', `${exporter.name}, which made the file, is revoked by what stands in it`)
  return standing
}

/** Looks for what is named and not there. */
export function findGaps(read: Read, findings: FindingBook): void {
  for (const log of read.logs.values()) findEpochGap(read, log, findings)
  for (const { ref, by, seq } of read.named) {
    // Whoever no longer counts may name what it likes.
    if (seq < by.limit)
      compare(read, ref, findings, `event ${seq} of log ${by.logId} of ${by.certificate.name}`)
  }
  for (const object of read.objects) {
    if (object.kind === 'uplink') continue
    const { logId, seq, hash } = object.body
    compare(read, { logId, seq, hash }, findings, `${object.kind === 'ack' ? 'the cloud’s ack' : 'a beacon'}`)
  }
}

function findEpochGap(read: Read, log: BookedLog, findings: FindingBook): void {
  const { opened, logId, certificate, finalSeq, head } = log
  const by = `log ${logId} of ${certificate.name}`
  if (opened.prev) compare(read, opened.prev, findings, `the epoch that follows, ${by},`)
  if (finalSeq !== undefined && finalSeq !== head.seq)
    findings.add(
      'mismatch',
      `${by} says that it ends with event ${finalSeq}, and ends with ${head.seq}`,
      logId,
    )
  if (opened.storeState === 'lossy') {
    const declared = read.said.some(
      one =>
        one.said.name === 'loss_declaration' &&
        one.log.certificate.deviceId === certificate.deviceId &&
        one.event.hlc >= log.openedHlc,
    )
    findings.add(declared ? 'declared-loss' : 'undeclared-loss', `before ${by}`, logId)
  }
  if (!opened.prev && hasOlder(read, log)) findings.add('new-store', by, logId)
}

function hasOlder({ logs }: Read, { certificate, openedHlc, logId }: BookedLog): boolean {
  const isOlder = (other: BookedLog): boolean =>
    other.certificate.deviceId === certificate.deviceId &&
    other.openedHlc < openedHlc &&
    other.logId !== logId
  return [...logs.values()].some(isOlder)
}

function compare(read: Read, ref: EventRef, findings: FindingBook, by: string): void {
  const log = read.logs.get(ref.logId)
  const whose = log ? ` of ${log.certificate.name}` : ''
  if (!log || log.head.seq < ref.seq) {
    const from = log ? log.head.seq + 1 : 0
    const what = `log ${ref.logId}${whose}: events ${from} to ${ref.seq} are not here`
    if (isLetGo(read, ref)) findings.add('pruned', `${what}; the cloud’s ack names them`, ref.logId)
    else findings.add('gap', `${what}; ${by} names them`, ref.logId)
  } else if (hashAt(log, ref.seq) !== ref.hash && ref.seq < log.forkAt)
    findings.add(
      'mismatch',
      `log ${ref.logId}${whose}: event ${ref.seq} is another than ${by} names`,
      ref.logId,
    )
}

/** A node may let go of what the cloud has acknowledged at this durability (PROTOCOL 1.11, 3.5). */
const DURABLE = 2

function isLetGo({ header, objects }: Read, { logId, seq }: EventRef): boolean {
  return (
    header.source === 'node' &&
    objects.some(
      ({ kind, body }) =>
        kind === 'ack' && body.logId === logId && body.durability >= DURABLE && seq <= body.seq,
    )
  )
}

/** Events of each device that an ack of the cloud's covers. */
export function ackedEvents({ logs, objects }: Read): ReadonlyMap<DeviceId, number> {
  const acked = new Map<DeviceId, number>()
  for (const object of objects) {
    const log = object.kind === 'ack' ? logs.get(object.body.logId) : undefined
    if (!log || object.kind !== 'ack') continue
    const { deviceId } = log.certificate
    acked.set(deviceId, (acked.get(deviceId) ?? 0) + Math.min(object.body.seq, log.head.seq) + 1)
  }
  return acked
}
