// The first reading of an audit file: that every event in it was signed by a device of this site, stands where it was written, and
// that none is missing of which another one tells. It takes records in the order of the file and believes nothing but the root key:
// certificates through the roster, events through the gate that nodes and the cloud use (replica/admit.ts), acks and beacons likewise.
import { fromBytes, MalformedBytes } from '../cbor.ts'
import { type Certificate, siteIdOf } from '../identity/certificate.ts'
import { createRoster, type Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { type AnyBody, decodeBody } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import { readObject, type SignedObject } from '../log/object.ts'
import type { Segment } from '../ports.ts'
import { type Admission, admit } from '../replica/admit.ts'
import { hex, type LogId, type SiteId, sameBytes } from '../units.ts'
import { type BookedLog, createHomes, enterEvent, type Homes, hashAt, makeRoom } from './book.ts'
import type { FindingBook } from './findings.ts'
import {
  AUDIT_VERSION,
  BILL,
  COUNTED,
  type Counts,
  digestOfEnding,
  ENDING,
  HEADER,
  type Header,
  kindName,
  noCounts,
  SEGMENT,
  SESSION_SAID,
  TRAILER,
} from './format.ts'
import { createNamed, type Named } from './named.ts'
import type { AuditRecord } from './reader.ts'

/** Other branches that are looked at; each proof is at most 48 KiB. */
const MAX_FORKS = 1024

/** What an operator or the root said that decides whose words count, and at what price. */
export type Said = { readonly log: BookedLog; readonly event: LogEvent; readonly said: AnyBody }

export type ProofOptions = {
  readonly signatures: Signatures
  /** The root key that the reader trusts; without it the file's own is taken, and nothing is proven of who this site is. */
  readonly rootKey?: Uint8Array
  /** Each seal is checked by itself: a segment's last one vouches for the rest already (decision 40). */
  readonly everySeal: boolean
}

export type Read = {
  readonly header: Header
  readonly roster: Roster
  readonly logs: ReadonlyMap<LogId, BookedLog>
  readonly homes: Homes
  readonly said: readonly Said[]
  readonly objects: readonly SignedObject[]
  readonly counts: Counts
  readonly seals: number
  readonly exporter: Certificate | undefined
  readonly named: readonly Named[]
}

export type Proof = {
  readonly take: (record: AuditRecord) => void
  /** What was read, when all of it was; undefined when there is not even a header that can be used. */
  readonly end: () => Read | undefined
}

export function createProof(options: ProofOptions, findings: FindingBook): Proof {
  const { signatures } = options
  let header: Header | undefined
  let roster: Roster | undefined
  let exporter: Certificate | undefined
  let seals = 0
  const logs = new Map<LogId, BookedLog>()
  const homes = createHomes()
  const said: Said[] = []
  const objects: SignedObject[] = []
  const forks: Segment[] = []
  const counts = noCounts()
  const named = createNamed()

  const takeHeader = (payload: Uint8Array): void => {
    const read = fromBytes(HEADER, payload)
    if (read.version !== AUDIT_VERSION) {
      findings.add('bad-record', `the file is of version ${read.version}: newer software wrote it`)
      return
    }
    const rootKey = options.rootKey ?? read.rootKey
    if (!sameBytes(rootKey, read.rootKey) || siteIdOf(rootKey) !== read.siteId)
      findings.add(
        'other-root',
        `the file says root key ${hex(read.rootKey)} and site ${read.siteId}; the key that counts is ${hex(rootKey)}`,
      )
    header = read
    roster = createRoster({ signatures }, siteIdOf(rootKey) as SiteId, rootKey)
  }

  const takeSegment = (to: Roster, record: AuditRecord): void => {
    const segment = fromBytes(SEGMENT, record.payload)
    const log = logs.get(segment.logId)
    const held = log && {
      certificate: log.certificate,
      head: log.head,
      hashAt: (seq: number) => hashAt(log, seq),
    }
    const deps = { roster: to, signatures, seals: options.everySeal ? 'all' : 'last' } as const
    const admission = admit(deps, segment, held)
    if (admission.kind !== 'admitted') {
      const place = `record ${record.number}, byte ${record.at}: log ${segment.logId} from event ${segment.fromSeq}`
      findings.add('bad-log', `${place}: ${refusalOf(admission)}`, segment.logId)
      return
    }
    take(log, admission)
  }

  const take = (known: BookedLog | undefined, admission: Extract<Admission, { kind: 'admitted' }>): void => {
    const { events, certificate } = admission
    const [first] = events
    const newest = events.at(-1)
    const log = known ?? (first && openBooked(first, certificate, admission.head))
    if (!log || !newest) return
    if (!known) logs.set(log.logId, log)
    log.head = admission.head
    makeRoom(log, newest.seq)
    const isNode = certificate.roles.includes('node') && !isOperator(certificate)
    seals += options.everySeal ? events.filter(event => event.signature).length : 1
    for (const event of events) {
      const body = decodeBody(event.type, event.body)
      if (!body)
        findings.add('unreadable', `event ${event.seq} of log ${log.logId}, of type ${event.type}`, log.logId)
      enterEvent(log, { seq: event.seq, hash: event.hash, home: isNode ? homes.homeOf(body) : 0 })
      counts.events += 1
      if (body) hear(log, event, body)
    }
  }

  const hear = (log: BookedLog, event: LogEvent, body: AnyBody): void => {
    if (body.name === 'site_manifest') roster?.withdraw(body.body.manifest)
    if (body.name === 'epoch_close') log.finalSeq = body.body.finalSeq
    if (body.name === 'device_cert') roster?.enrol(body.body.certificate)
    const isSaid = isOperator(log.certificate) || body.name === 'loss_declaration'
    if (isSaid && KEPT.has(body.name)) said.push({ log, event, said: body })
    named.hear(log, event.seq, body)
  }

  const takeObject = (to: Roster, record: AuditRecord): void => {
    const verdict = readObject({ roster: to, signatures }, record.payload.slice())
    if (verdict.kind === 'valid') objects.push(verdict.object)
    else findings.add('bad-object', `record ${record.number}, byte ${record.at}: ${verdict.reason}`)
  }

  const takeTrailer = (to: Roster, record: AuditRecord): void => {
    const { signed, signature } = fromBytes(TRAILER, record.payload)
    const ending = fromBytes(ENDING, signed)
    if (!sameBytes(ending.digest, record.before))
      findings.add(
        'bad-exporter',
        'the end of the file names another digest than that of what stands before it',
      )
    const signer = to.certificate(ending.signer)
    if (!signer)
      findings.add(
        'bad-exporter',
        `the file is signed by ${ending.signer}, and holds no such certificate of this site`,
      )
    else if (!signatures.verify(signature, digestOfEnding(signed), signer.logKey))
      findings.add(
        'bad-exporter',
        `the signature of ${signer.name} at the end of the file is not good: somebody changed the file`,
      )
    else {
      exporter = signer
      checkExporter(signer)
    }
    for (const one of ['events', ...COUNTED] as const)
      if (ending[one] !== counts[one])
        findings.add(
          'bad-count',
          `the end of the file counts ${ending[one]} of ${one}, and there are ${counts[one]}`,
        )
  }

  /** A node has no bills and not what every node pushed: it cannot speak as the cloud. */
  const checkExporter = ({ name, roles }: Certificate): void => {
    if (!header) return
    const { source, madeBy } = header
    if (!roles.includes(source))
      findings.add(
        'bad-exporter',
        `the file says that the ${source} made it; ${name}, which signed it, is no ${source}`,
      )
    else if (name !== madeBy)
      findings.add('bad-exporter', `the file says that ${madeBy} made it; it is signed by ${name}`)
  }

  const proveForks = (to: Roster): void => {
    for (const segment of forks) {
      const log = logs.get(segment.logId)
      const held = log && {
        certificate: log.certificate,
        head: log.head,
        hashAt: (seq: number) => hashAt(log, seq),
      }
      const admission = admit({ roster: to, signatures }, segment, held)
      if (!log || admission.kind !== 'fork') {
        findings.add(
          'bad-fork',
          `log ${segment.logId} from event ${segment.fromSeq}: ${refusalOf(admission)}`,
          segment.logId,
        )
        continue
      }
      const { seq, ours, theirs } = admission
      log.forks.push({ seq, ours, theirs })
      log.forkAt = Math.min(log.forkAt, seq)
      const behind = log.head.seq - seq + 1
      findings.add(
        'fork',
        `log ${log.logId} of ${log.certificate.name} has two branches from event ${seq} on: ${ours} here, ${theirs} besides; ${behind} events count nowhere`,
        log.logId,
      )
    }
  }

  return {
    take: record => {
      const what = kindName(record.kind)
      const counted = COUNTED.find(one => one === what)
      if (counted) counts[counted] += 1
      try {
        if (what === 'header' && record.number === 0) return takeHeader(record.payload.slice())
        if (!roster) return
        if (what === 'certificate') {
          const verdict = roster.enrol(record.payload.slice())
          if (verdict.kind === 'refused')
            findings.add('bad-certificate', `record ${record.number}, byte ${record.at}: ${verdict.reason}`)
        } else if (what === 'segment') takeSegment(roster, record)
        else if (what === 'fork' && forks.length < MAX_FORKS)
          forks.push(fromBytes(SEGMENT, record.payload.slice()))
        else if (what === 'object') takeObject(roster, record)
        else if (what === 'trailer') takeTrailer(roster, record)
        else if (what === 'session') fromBytes(SESSION_SAID, record.payload)
        else if (what === 'bill') fromBytes(BILL, record.payload)
        else
          findings.add(
            'bad-record',
            `record ${record.number}, byte ${record.at}: of kind ${record.kind}, which is not known here`,
          )
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error
        findings.add('bad-record', `record ${record.number} (${what}), byte ${record.at}: ${error.message}`)
      }
    },
    end: () => {
      if (!header || !roster) return undefined
      proveForks(roster)
      return { header, roster, logs, homes, said, objects, counts, seals, exporter, named: named.all() }
    },
  }
}

const KEPT: ReadonlySet<string> = new Set([
  ...['device_revoke', 'device_cert', 'tariff', 'loss_declaration'],
  ...['resolution', 'refund'],
])

export function isOperator({ roles }: Certificate): boolean {
  return roles.includes('issuer') || roles.includes('revoker')
}

function openBooked(
  first: LogEvent,
  certificate: Certificate,
  head: BookedLog['head'],
): BookedLog | undefined {
  const opened = decodeBody(first.type, first.body)
  if (opened?.name !== 'epoch_open') return undefined
  return {
    ...{ logId: first.logId, certificate, opened: opened.body, openedHlc: first.hlc, head },
    ...{ hashes: Buffer.alloc(0), homes: new Int32Array(0), forks: [], finalSeq: undefined },
    ...{ forkAt: Number.POSITIVE_INFINITY, limit: Number.POSITIVE_INFINITY },
  }
}

function refusalOf(admission: Admission): string {
  switch (admission.kind) {
    case 'admitted':
    case 'duplicate':
      return 'it stands in the log already'
    case 'gap':
      return 'the events before it are not in the file'
    case 'unknown-certificate':
      return `written under certificate ${admission.certHash}, which is not in the file`
    case 'fork':
      return `another branch of the log from event ${admission.seq} on`
    case 'invalid':
      return admission.reason
  }
}
