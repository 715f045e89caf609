// What the cloud in memory knows of devices: the chain of their epochs, what was revoked and withdrawn, who vouches for whom,
// from where on a log counts for nothing, and what is missing. The rules are those of src/cloud/weighing.ts and gaps.ts,
// which keep them in SQL and weigh what a change concerns; here everything is weighed anew, and the contract compares the two.
import type { Gap } from '../../src/cloud/gaps.ts'
import type { Certificate } from '../../src/identity/certificate.ts'
import { isNewer, type ReadManifest } from '../../src/identity/manifest.ts'
import type { Roster } from '../../src/identity/roster.ts'
import type { BodyOf, EventRef } from '../../src/log/body.ts'
import type { Hlc } from '../../src/log/hlc.ts'
import type { CertHash, DeviceId, EventHash, LogId } from '../../src/units.ts'

/** From `fromSeq` on, what counts of this log is not what counted before. */
export type Excluded = { readonly logId: LogId; readonly fromSeq: number }

export type CloudDevices = {
  /** The first event of a log that counts for nothing; infinite when all count. */
  readonly limitOf: (logId: LogId) => number
  readonly forkSeqOf: (logId: LogId) => number | undefined
  readonly fork: (logId: LogId, seq: number) => readonly Excluded[]
  readonly noteEpoch: (epoch: Epoch) => void
  /** Said there by an operator. */
  readonly noteRevocation: (at: Place, body: BodyOf<'device_revoke'>) => void
  /** Said there by an issuer that the root certified. */
  readonly noteCertificate: (at: Place, encoded: Uint8Array) => void
  readonly noteManifest: (read: ReadManifest) => void
  readonly noteLoss: (deviceId: DeviceId, hlc: Hlc) => void
  /** What all these notes change. */
  readonly weigh: () => readonly Excluded[]
  /** Ordered by the epoch that shows them. */
  readonly gaps: (held: Held) => readonly Gap[]
}

export type Place = { readonly logId: LogId; readonly seq: number }
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

type Limits = Map<LogId, number>
type Revocation = {
  readonly deviceId: DeviceId
  readonly serial: number
  readonly cutoff: readonly EventRef[]
}
const NEVER = Number.POSITIVE_INFINITY

export function isOperator({ roles }: Certificate): boolean {
  return roles.includes('issuer') || roles.includes('revoker')
}

export function createDevices(roster: Pick<Roster, 'certificate' | 'enrol'>): CloudDevices {
  const forks: Limits = new Map()
  let limits: { readonly revoked: Limits; readonly orphan: Limits } = {
    revoked: new Map(),
    orphan: new Map(),
  }
  const epochs = new Map<LogId, Epoch>()
  const revocations: (Revocation & Place)[] = []
  const vouching: (Place & { readonly encoded: Uint8Array })[] = []
  let manifest: ReadManifest | undefined
  const declared = new Map<DeviceId, Hlc>()
  let isDue = false

  const limitOf = (logId: LogId): number =>
    Math.min(...[forks, limits.revoked, limits.orphan].map(of => of.get(logId) ?? NEVER))

  /** Each step asks what counts by those before it: of root's operators, of what they vouch for, of operators, of nodes. */
  const weighAll = (): typeof limits => {
    const fresh = { revoked: new Map<LogId, number>(), orphan: new Map<LogId, number>() }
    const counts = ({ logId, seq }: Place): boolean =>
      [forks, fresh.revoked, fresh.orphan].every(of => seq < (of.get(logId) ?? NEVER))
    // Of two first events neither says which log came before.
    const all = [...epochs.values()].filter(({ logId }) => forks.get(logId) !== 0)
    const withdrawn = manifest?.manifest.withdrawn ?? []
    const operators = all.filter(({ certificate }) => isOperator(certificate))
    for (const [logId, seq] of cut(operators, withdrawn)) fresh.revoked.set(logId, seq)
    const vouched = new Set<CertHash>()
    for (const one of vouching.filter(counts)) {
      const verdict = roster.enrol(one.encoded)
      if (verdict.kind === 'valid') vouched.add(verdict.certificate.hash)
    }
    for (const { logId, certificate } of all) {
      const issuer = roster.certificate(certificate.issuedBy)
      const isSuspect = withdrawn.some(
        one => one.deviceId === issuer?.deviceId && issuer.serial <= one.serial,
      )
      if (isSuspect && !vouched.has(certificate.hash)) fresh.orphan.set(logId, 0)
    }
    const nodes = all.filter(({ certificate }) => !isOperator(certificate))
    for (const [logId, seq] of cut(nodes, revocations.filter(counts))) fresh.revoked.set(logId, seq)
    return fresh
  }

  const weigh = (): readonly Excluded[] => {
    if (!isDue) return []
    isDue = false
    const [before, after] = [limits, weighAll()]
    limits = after
    return [...epochs.keys()].flatMap(logId =>
      (['revoked', 'orphan'] as const).flatMap(reason => {
        const [was, is] = [before[reason].get(logId) ?? NEVER, after[reason].get(logId) ?? NEVER]
        return was === is ? [] : [{ logId, fromSeq: Math.min(was, is) }]
      }),
    )
  }

  return {
    limitOf,
    forkSeqOf: logId => forks.get(logId),
    fork: (logId, seq) => {
      // A proof of misuse is never taken back.
      if ((forks.get(logId) ?? NEVER) <= seq) return []
      forks.set(logId, seq)
      const epoch = epochs.get(logId)
      isDue ||= seq === 0 || (epoch !== undefined && isOperator(epoch.certificate))
      return [{ logId, fromSeq: seq }, ...weigh()]
    },
    noteEpoch: epoch => {
      const { deviceId } = epoch.certificate
      epochs.set(epoch.logId, epoch)
      isDue ||= manifest !== undefined || revocations.some(one => one.deviceId === deviceId)
    },
    noteRevocation: ({ logId, seq }, { deviceId, serial, cutoff }) => {
      revocations.push({ logId, seq, deviceId, serial, cutoff })
      isDue = true
    },
    noteCertificate: ({ logId, seq }, encoded) => {
      vouching.push({ logId, seq, encoded })
      isDue ||= manifest !== undefined
    },
    noteManifest: read => {
      if (!isNewer(read, manifest)) return
      manifest = read
      isDue = true
    },
    noteLoss: (deviceId, hlc) => {
      const before = declared.get(deviceId)
      if (before === undefined || before < hlc) declared.set(deviceId, hlc)
    },
    weigh,
    gaps: held =>
      [...epochs.keys()].sort().flatMap(logId => {
        const epoch = epochs.get(logId)
        return epoch ? gapsIn(epoch, held, declared) : []
      }),
  }
}

/** The first event of each log that lies beyond a cut-off of its device. */
function cut(epochs: readonly Epoch[], revocations: readonly Revocation[]): Limits {
  const limits: Limits = new Map()
  const before = new Map<string, EventRef | undefined>(
    epochs.map(({ logId, certificate, body }) => [`${certificate.deviceId}/${logId}`, body.prev]),
  )
  for (const { deviceId, serial, cutoff } of revocations) {
    const reach = reachOf(cutoff, logId => before.get(`${deviceId}/${logId}`))
    for (const { logId, certificate } of epochs) {
      // A certificate that was issued after the revocation speaks for itself.
      if (certificate.deviceId !== deviceId || certificate.serial > serial) continue
      const limit = Math.min(limits.get(logId) ?? NEVER, reach.get(logId) ?? 0)
      if (limit !== NEVER) limits.set(logId, limit)
    }
  }
  return limits
}

/** A log named in the cut-off counts up to there, and each epoch before it up to where the next one says that it ended. */
function reachOf(
  cutoff: readonly EventRef[],
  before: (logId: LogId) => EventRef | undefined,
): ReadonlyMap<LogId, number> {
  const reach = new Map<LogId, number>()
  const furthest = ({ logId, seq }: EventRef): void => {
    reach.set(logId, Math.max(reach.get(logId) ?? 0, seq + 1))
  }
  cutoff.forEach(furthest)
  const named = new Set(reach.keys())
  for (const logId of named) {
    const chain: EventRef[] = []
    for (
      let at = before(logId);
      at && !named.has(at.logId) && chain.every(one => one.logId !== at?.logId);
      at = before(at.logId)
    )
      chain.push(at)
    chain.forEach(furthest)
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
