// What the cloud in memory knows of devices: the chain of their epochs, what was revoked, from where on a log counts for
// nothing, and what is missing. The rules are those of src/cloud/exclusion.ts and src/cloud/gaps.ts, which keep them in
// SQL; nothing of production runs here, so the contract compares the two.
import type { Gap } from '../../src/cloud/gaps.ts'
import type { Certificate } from '../../src/identity/certificate.ts'
import type { BodyOf, EventRef } from '../../src/log/body.ts'
import type { Hlc } from '../../src/log/hlc.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'

/** From `fromSeq` on, what counts of this log is not what counted before. */
export type Excluded = { readonly logId: LogId; readonly fromSeq: number }

export type CloudDevices = {
  /** The first event of a log that counts for nothing; infinite when all count. */
  readonly limitOf: (logId: LogId) => number
  readonly forkSeqOf: (logId: LogId) => number | undefined
  readonly fork: (logId: LogId, seq: number) => readonly Excluded[]
  readonly noteEpoch: (epoch: Epoch) => readonly Excluded[]
  readonly noteRevocation: (body: BodyOf<'device_revoke'>) => readonly Excluded[]
  readonly noteLoss: (deviceId: DeviceId, hlc: Hlc) => void
  /** Ordered by the epoch that shows them. */
  readonly gaps: (held: Held) => readonly Gap[]
}

export type Epoch = {
  readonly logId: LogId
  readonly certificate: Certificate
  readonly hlc: Hlc
  readonly body: BodyOf<'epoch_open'>
}

/** What the cloud holds of logs. */
export type Held = {
  readonly headSeq: (logId: LogId) => number | undefined
  readonly hashAt: (logId: LogId, seq: number) => EventHash | undefined
}

type Reason = 'fork' | 'revoked'
type Revocation = { readonly serial: number; readonly cutoff: readonly EventRef[] }
const NEVER = Number.POSITIVE_INFINITY

export function createDevices(): CloudDevices {
  const limits = { fork: new Map<LogId, number>(), revoked: new Map<LogId, number>() }
  const epochs = new Map<LogId, Epoch>()
  const logsOf = new Map<DeviceId, LogId[]>()
  const revocations = new Map<DeviceId, Revocation[]>()
  const declared = new Map<DeviceId, Hlc>()

  const exclude = (logId: LogId, fromSeq: number, reason: Reason): readonly Excluded[] => {
    const before = limits[reason].get(logId) ?? NEVER
    // A proof of misuse is never taken back; what a cut-off leaves out may turn out to belong before it.
    if (before === fromSeq || (reason === 'fork' && before < fromSeq)) return []
    if (fromSeq === NEVER) limits[reason].delete(logId)
    else limits[reason].set(logId, fromSeq)
    return [{ logId, fromSeq: Math.min(before, fromSeq) }]
  }

  const applyCutoffs = (deviceId: DeviceId): readonly Excluded[] => {
    const revoked = revocations.get(deviceId) ?? []
    if (revoked.length === 0) return []
    const before = (logId: LogId): LogId | undefined => {
      const epoch = epochs.get(logId)
      return epoch?.certificate.deviceId === deviceId ? epoch.body.prev?.logId : undefined
    }
    const cuts = revoked.map(({ serial, cutoff }) => ({ serial, bySeq: reachOf(cutoff, before) }))
    return (logsOf.get(deviceId) ?? []).flatMap(logId => {
      // A certificate that was issued after the revocation speaks for itself.
      const meant = cuts.filter(cut => (epochs.get(logId)?.certificate.serial ?? 0) <= cut.serial)
      return exclude(logId, Math.min(...meant.map(cut => cut.bySeq.get(logId) ?? 0)), 'revoked')
    })
  }

  return {
    limitOf: logId => Math.min(limits.fork.get(logId) ?? NEVER, limits.revoked.get(logId) ?? NEVER),
    forkSeqOf: logId => limits.fork.get(logId),
    fork: (logId, seq) => exclude(logId, seq, 'fork'),
    noteEpoch: epoch => {
      const { deviceId } = epoch.certificate
      epochs.set(epoch.logId, epoch)
      logsOf.set(deviceId, [...(logsOf.get(deviceId) ?? []), epoch.logId])
      return applyCutoffs(deviceId)
    },
    noteRevocation: ({ deviceId, serial, cutoff }) => {
      revocations.set(deviceId, [...(revocations.get(deviceId) ?? []), { serial, cutoff }])
      return applyCutoffs(deviceId)
    },
    noteLoss: (deviceId, hlc) => {
      const before = declared.get(deviceId)
      if (before === undefined || before < hlc) declared.set(deviceId, hlc)
    },
    gaps: held =>
      [...epochs.keys()].sort().flatMap(logId => {
        const epoch = epochs.get(logId)
        return epoch ? gapsIn(epoch, held, declared) : []
      }),
  }
}

/** A log named in the cut-off counts up to there, and the epochs before it wholly. */
function reachOf(
  cutoff: readonly EventRef[],
  before: (logId: LogId) => LogId | undefined,
): ReadonlyMap<LogId, number> {
  const reach = new Map<LogId, number>(cutoff.map(ref => [ref.logId, ref.seq + 1]))
  for (const { logId } of cutoff) {
    let earlier = before(logId)
    while (earlier !== undefined && !reach.has(earlier)) {
      reach.set(earlier, NEVER)
      earlier = before(earlier)
    }
  }
  return reach
}

function gapsIn(epoch: Epoch, held: Held, declared: ReadonlyMap<DeviceId, Hlc>): readonly Gap[] {
  const { logId: namedBy, body, hlc } = epoch
  const { deviceId } = epoch.certificate
  const gaps: Gap[] = []
  const loss = declared.get(deviceId)
  if (body.storeState === 'lossy' && (loss === undefined || loss < hlc))
    gaps.push({ kind: 'lossy', deviceId, logId: namedBy })
  if (!body.prev || held.hashAt(body.prev.logId, body.prev.seq) === body.prev.hash) return gaps
  const { logId, seq: toSeq } = body.prev
  const fromSeq = (held.headSeq(logId) ?? -1) + 1
  if (fromSeq <= toSeq) gaps.push({ kind: 'missing', deviceId, logId, fromSeq, toSeq, namedBy })
  else gaps.push({ kind: 'mismatch', deviceId, logId, namedBy })
  return gaps
}
