// What a node lets go of, and when (PROTOCOL 1.11): whole logs that nobody writes any more, that the cloud has twice over, and that
// are older than the site wants to keep. Sessions go with all their logs or not at all, so that no stop is ever left without its
// start and no session is open again. What cannot be told for sure stays: a log too many costs bytes, one too few money.
import type { Acting } from './acting.ts'
import { MeshError, reasonOf } from './errors.ts'
import { LEAST_RETENTION_MS, type Ledger } from './ledger.ts'
import type { Disk, Logger } from './ports.ts'
import { PRUNING_DURABILITY } from './replica/cut.ts'
import type { Log } from './replica/logs.ts'
import type { Session } from './session/fold.ts'
import type { Journal } from './store/journal.ts'
import { logOf } from './store/records.ts'
import type { DeviceId, LogId } from './units.ts'

const EVERY_MS = 3600 * 1000
const DAY_MS = 24 * 3600 * 1000
/** A log of our own is closed after so long, at a moment without a session, or it would be written to for months. */
const ROTATE_AFTER_MS = DAY_MS
/** ... and with so much in it: a new one costs some hundred bytes. */
const ROTATE_EVENTS = 64

export type Pruning = {
  readonly tick: (act: Acting) => void
  /** Resolves when the journal is not being written anew. */
  readonly settled: () => Promise<void>
}

/** A disk that is so full is no place for what the cloud has twice over: it goes as soon as it may. */
const FULL_SHARE = 0.8
const LEAST_DAYS = LEAST_RETENTION_MS / DAY_MS

export type PruningDeps = {
  readonly disk: Pick<Disk, 'usedShare'>
  readonly journal: Journal
  readonly self: DeviceId
  readonly logger: Logger
  readonly count: (name: string, by?: number) => void
  readonly breathe: () => Promise<void>
  readonly owes?: Owes
}

/** Whether somebody else is still to be told of a session by this node. */
export type Owes = (ledger: Ledger, session: Session) => boolean
const NOTHING_OWED: Owes = () => false

export function createPruning(deps: PruningDeps): Pruning {
  const { disk, journal, self, logger, count, breathe, owes } = deps
  let nextAtMs: number | undefined
  let own: { readonly logId: LogId | undefined; readonly sinceMs: number } = { logId: undefined, sinceMs: 0 }
  let running: Promise<void> | undefined
  /** Something may stand in the journal of what was let go of, by this process or one before it. */
  let isDue = true

  /** As it was an hour ago. */
  let isFull = false
  const askDisk = (): void => {
    disk.usedShare?.().then(
      share => {
        isFull = share >= FULL_SHARE
      },
      (error: unknown) => logger.warn('the disk does not say how full it is', { reason: reasonOf(error) }),
    )
  }

  const sweep = async (ledger: Ledger): Promise<void> => {
    // As of now, when all of it is durable: of what goes while files are written anew, nothing stands for it yet.
    const bases = new Map([...ledger.logs.all()].flatMap(log => (log.cut ? [[log.logId, log.base]] : [])))
    const isDropped = (record: Parameters<typeof logOf>[0]): boolean => {
      const of = logOf(record)
      return of !== undefined && of.fromSeq < (bases.get(of.logId) ?? 0)
    }
    try {
      const bytes = await journal.drop({ isDropped, breathe })
      if (bytes > 0) logger.info('the journal is smaller by what was let go of', { bytes })
      count('pruned.bytes', bytes)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      isDue = true
      logger.warn('the journal could not be made smaller; tried again in an hour', { reason: error.message })
    }
    running = undefined
  }

  const rotate = (act: Acting): void => {
    const logId = act.ledger.ownLog()
    const nowMs = act.times.monotonicMs
    if (own.logId !== logId) own = { logId, sinceMs: nowMs }
    const log = logId && act.ledger.logs.get(logId)
    if (!log || nowMs - own.sinceMs < ROTATE_AFTER_MS || log.head.seq < ROTATE_EVENTS) return
    const runs = act.ledger.view().sessions()
    if (!runs.some(one => !one.end && one.recordedBy.includes(self))) act.ledger.rotate(act.times)
  }

  return {
    settled: async () => await running,
    tick: act => {
      nextAtMs ??= act.times.monotonicMs + EVERY_MS
      if (act.times.monotonicMs < nextAtMs || running) return
      nextAtMs = act.times.monotonicMs + EVERY_MS
      act.afterwards(askDisk)
      const wanted = act.ledger.view().sitePolicy.number('retention-days')
      if (wanted === undefined) return
      const days = isFull ? Math.min(wanted, LEAST_DAYS) : wanted
      rotate(act)
      const gone = act.ledger.prune(prunable(act.ledger, days * DAY_MS, owes))
      if (gone.length > 0) {
        count('pruned.logs', gone.length)
        logger.info('logs that the cloud keeps were let go of', { logs: gone.length, days })
        // What stands for them comes behind everything that is written anew.
        journal.turnOver()
      }
      isDue ||= gone.length > 0
      if (!isDue || ![...act.ledger.logs.all()].some(log => log.cut)) return
      isDue = false
      act.afterwards(() => {
        running ??= sweep(act.ledger)
      })
    },
  }
}

/** The logs that may go together now. */
export function prunable(ledger: Ledger, retentionMs: number, owes?: Owes): readonly LogId[] {
  return reviewLogs(ledger, retentionMs, owes).flatMap(({ log, stand }) =>
    stand === 'due' ? [log.logId] : [],
  )
}

/**
 * Why a log stays, or that it may go (`due`), or went (`gone`). `operators`: of the operator, or of who was revoked, or with two
 * branches: never; `live`: still written to; `unacknowledged`: not wholly by the cloud as it is now; `once`: the cloud has it in
 * one place only; `young`; `sessions`: of one of its sessions something stays.
 */
export type Stand = 'operators' | 'live' | 'unacknowledged' | 'once' | 'young' | 'sessions' | 'due' | 'gone'
export type Reviewed = { readonly log: Log; readonly stand: Stand; readonly ackedAt: number | undefined }

export function reviewLogs(ledger: Ledger, retentionMs: number, owes = NOTHING_OWED): readonly Reviewed[] {
  const keptMs = Math.max(retentionMs, LEAST_RETENTION_MS)
  const newest = new Map<DeviceId, Log>()
  for (const log of ledger.logs.all()) {
    const { deviceId } = log.certificate
    if ((newest.get(deviceId)?.head.hlc ?? -1n) < log.head.hlc) newest.set(deviceId, log)
  }
  const reviewed: Reviewed[] = []
  const candidates = new Set<LogId>()
  for (const log of ledger.logs.all()) {
    const isOver = log.head.closed || newest.get(log.certificate.deviceId) !== log
    const ack = ledger.objects.get(`ack/${log.logId}`)
    const ackedAt = ack?.kind === 'ack' ? ack.body.issuedAt : undefined
    const stand = standOf(ledger, log, { isOver, keptMs })
    if (stand === 'due') candidates.add(log.logId)
    reviewed.push({ log, stand, ackedAt })
  }
  if (candidates.size === 0) return reviewed
  spareSessions(ledger, candidates, owes)
  return reviewed.map(one =>
    one.stand === 'due' && !candidates.has(one.log.logId) ? { ...one, stand: 'sessions' } : one,
  )
}

type Asked = { readonly isOver: boolean; readonly keptMs: number }

/** By itself, whatever its sessions say. Old by what was signed: a clock of ours has no say. */
function standOf(ledger: Ledger, log: Log, { isOver, keptMs }: Asked): Stand {
  const { logId, certificate, head, fork, base } = log
  if (base > head.seq) return 'gone'
  if (certificate.roles.some(role => role !== 'node') || ledger.isVoid(certificate) || fork)
    return 'operators'
  if (!isOver || ledger.ownLog() === logId) return 'live'
  const ack = ledger.objects.get(`ack/${logId}`)
  if (ack?.kind !== 'ack' || ledger.ackedSeq(logId) !== head.seq || ack.body.hash !== head.hash)
    return 'unacknowledged'
  // Whoever stole the cloud's key can say that it has everything.
  if (ledger.isVoid(ack.signer)) return 'unacknowledged'
  if (ack.body.durability < PRUNING_DURABILITY) return 'once'
  return ledger.objects.signedAt() - ack.body.issuedAt < keptMs ? 'young' : 'due'
}

/** Takes out the logs of every session that is not over, or not wholly among them. */
function spareSessions(ledger: Ledger, candidates: Set<LogId>, owes: Owes): void {
  const view = ledger.view()
  const spare = (logId: LogId): void => void candidates.delete(logId)
  // Its start has not come yet, and must find it.
  for (const { ref } of view.orphanEnds()) spare(ref.logId)
  for (const { logId } of view.lists.newest()) spare(logId)
  const { told, turns } = view.forwarding
  for (const { logId } of turns.places()) spare(logId)
  const sessions = view.sessions()
  for (let before = -1; before !== candidates.size; ) {
    before = candidates.size
    for (const session of sessions) {
      const { end, logIds, mark, sessionId, starts } = session
      if (end && logIds.every(logId => candidates.has(logId)) && !owes(ledger, session)) continue
      for (const logId of logIds) spare(logId)
      // Or it would be written again.
      if (mark) spare(mark.ref.logId)
      // Or a central system would be told again.
      for (const id of [sessionId, ...starts.map(({ body }) => body.sessionId)])
        for (const logId of told.logsOf(id)) spare(logId)
    }
  }
}
