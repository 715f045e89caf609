// What comes of checking an audit file: a plain value for programs (`verify --json`) and for the page (page.ts). Its field names only
// grow. `verdict` is what counts; `findings` say why.
import { wallOf } from '../log/hlc.ts'
import { hex } from '../units.ts'
import { ackedEvents } from './completeness.ts'
import { FINDINGS, type Finding, type FindingBook, type FindingKind } from './findings.ts'
import type { Counts, Header } from './format.ts'
import type { Read } from './proof.ts'
import { MAX_ROWS, type Reckoned } from './tally.ts'

export type LogRow = {
  readonly logId: string
  readonly device: string
  readonly roles: readonly string[]
  readonly serial: number
  readonly events: number
  /** Of these so many count. */
  readonly counted: number
  /** By the clock of its device. */
  readonly firstAt: number
  readonly lastAt: number
  readonly head: string
  readonly storeState: string
  readonly forks: readonly { readonly seq: number; readonly ours: string; readonly theirs: string }[]
}

export type DeviceRow = {
  readonly device: string
  readonly logs: number
  readonly events: number
  readonly acked: number
}

export type AuditReport = {
  readonly kind: 'audit'
  /** `proven`: nothing is wrong, and nothing to remark. */
  readonly verdict: 'proven' | 'proven-with-remarks' | 'wrong'
  readonly file: {
    readonly bytes: number
    readonly source?: Header['source']
    readonly madeBy?: string
    readonly madeAt?: number
    readonly swVersion?: string
    readonly fromAt?: number
    readonly toAt?: number
  }
  readonly site?: { readonly siteId: string; readonly name: string; readonly rootKey: string }
  /** Whether the root key was given from elsewhere; else the file vouches for itself. */
  readonly rootGiven: boolean
  readonly counts?: Counts
  /** Signatures of events that were checked one by one. */
  readonly seals?: number
  readonly found: Readonly<Partial<Record<FindingKind, number>>>
  /** At most 500 of a kind. */
  readonly findings: readonly Finding[]
  /** Absent when the file could not be read to its end. */
  readonly sessions?: Reckoned
  readonly devices: readonly DeviceRow[]
  /** At most 5,000. */
  readonly logs: readonly LogRow[]
  readonly cannotBeProven: readonly string[]
}

export type Outcome = {
  readonly bytes: number
  readonly read: Read | undefined
  readonly reckoned: Reckoned | undefined
  readonly rootGiven: boolean
  readonly findings: FindingBook
}

export function reportOf({ bytes, read, reckoned, rootGiven, findings }: Outcome): AuditReport {
  const found = findings.counts()
  const isProven = findings.isClean() && reckoned !== undefined
  const hasRemarks = Object.keys(found).length > 0
  return {
    kind: 'audit',
    verdict: isProven ? (hasRemarks ? 'proven-with-remarks' : 'proven') : 'wrong',
    file: { bytes, ...(read && headerOf(read.header)) },
    ...(read && {
      site: { siteId: read.roster.siteId, name: read.header.siteName, rootKey: hex(read.roster.rootKey) },
      ...{ counts: read.counts, seals: read.seals },
    }),
    rootGiven,
    found,
    findings: findings.all(),
    ...(reckoned && { sessions: reckoned }),
    devices: read ? devicesIn(read) : [],
    logs: read ? logsIn(read) : [],
    cannotBeProven: limitsOf(read?.header, rootGiven),
  }
}

export function meaningOf(kind: FindingKind): string {
  return FINDINGS[kind][1]
}

function headerOf({ source, madeBy, madeAt, swVersion, fromAt, toAt }: Header): AuditReport['file'] & object {
  const range = { ...(fromAt !== undefined && { fromAt }), ...(toAt !== undefined && { toAt }) }
  return { source, madeBy, madeAt, swVersion, ...range } as AuditReport['file']
}

function logsIn({ logs }: Read): readonly LogRow[] {
  return [...logs.values()].slice(0, MAX_ROWS).map(log => ({
    ...{ logId: log.logId, device: log.certificate.name, roles: log.certificate.roles },
    ...{ serial: log.certificate.serial, events: log.head.seq + 1 },
    counted: Math.max(0, Math.min(log.limit, log.head.seq + 1)),
    ...{ firstAt: wallOf(log.openedHlc), lastAt: wallOf(log.head.hlc), head: log.head.hash },
    ...{ storeState: log.opened.storeState, forks: log.forks },
  }))
}

function devicesIn(read: Read): readonly DeviceRow[] {
  const acked = ackedEvents(read)
  const rows = new Map<string, DeviceRow>()
  for (const { certificate, head } of read.logs.values()) {
    const { deviceId, name } = certificate
    const row = rows.get(deviceId) ?? { device: name, logs: 0, events: 0, acked: acked.get(deviceId) ?? 0 }
    rows.set(deviceId, { ...row, logs: row.logs + 1, events: row.events + head.seq + 1 })
  }
  return [...rows.values()]
}

/** Honest limits: a signature proves who said something, and nothing of what was never said. */
function limitsOf(header: Header | undefined, rootGiven: boolean): readonly string[] {
  return [
    ...(rootGiven
      ? []
      : [
          'Who this site is: no root key was given, so the file vouches for itself. Compare the key with one that the operator gave you elsewhere.',
        ]),
    'A session that no charger reported to a node: nobody signed it, so nothing misses it.',
    'The newest events of a device, as far as no ack and no other event names them: whoever made the file may not have had them.',
    'What a meter really counted. Registers are what chargers said; signed meter values stand in the logs sealed to the operator (`session signed` opens and checks them).',
    'When something really happened: times are those of chargers’ and nodes’ clocks.',
    'That a device’s key was in nobody else’s hands before its revocation.',
    'That a session without a stop should have been billed by its last reading: how long it has been silent, only the cloud’s own clock says.',
    'That a bill was paid.',
    ...(header?.source === 'node'
      ? [
          'Bills: a node has none, the cloud writes them (`audit export --cloud`).',
          'What other nodes recorded and this one had not heard of when it made the file.',
        ]
      : []),
  ]
}
