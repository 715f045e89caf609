// Which devices were revoked, and what of theirs still counts (PROTOCOL 1.7, 2.6). A log named in a cut-off counts up to
// there, the epochs before it wholly, and every other log of that device not at all; what a certificate wrote that was issued
// behind the revocation speaks for itself. Nothing of it depends on the order in which logs arrive.
import type { BodyOf } from '../log/body.ts'
import type { DeviceId, LogId } from '../units.ts'

/** One log of a device: the certificate's serial that wrote it, and the log that it follows. */
export type Epoch = {
  readonly logId: LogId
  readonly serial: number
  readonly prev: { readonly logId: LogId; readonly seq: number } | undefined
}

/** Certificates of the device up to this serial are void beyond these heads. */
export type Revoked = Pick<BodyOf<'device_revoke'>, 'serial' | 'cutoff'>

export type Revocation = Pick<BodyOf<'device_revoke'>, 'deviceId' | 'serial' | 'cutoff'>

export type Devices = {
  readonly addRevocation: (revocation: Revocation) => void
  /** True when that was news. */
  readonly addEpoch: (deviceId: DeviceId, epoch: Epoch) => boolean
  readonly isRevoked: (device: { readonly deviceId: DeviceId; readonly serial: number }) => boolean
  /** The number of the log's first event that does not count; infinite where all do. */
  readonly limitOf: (deviceId: DeviceId, logId: LogId) => number
}

type Held = {
  readonly revocations: Revoked[]
  readonly epochs: Map<LogId, Epoch>
  limits: ReadonlyMap<LogId, number> | undefined
}

export function createDevices(): Devices {
  const devices = new Map<DeviceId, Held>()
  const heldOf = (deviceId: DeviceId): Held => {
    const held = devices.get(deviceId) ?? { revocations: [], epochs: new Map(), limits: undefined }
    devices.set(deviceId, held)
    return held
  }
  return {
    addRevocation: ({ deviceId, serial, cutoff }) => {
      const held = heldOf(deviceId)
      held.revocations.push({ serial, cutoff })
      held.limits = undefined
    },
    addEpoch: (deviceId, epoch) => {
      const held = heldOf(deviceId)
      if (held.epochs.has(epoch.logId)) return false
      held.epochs.set(epoch.logId, epoch)
      held.limits = undefined
      return true
    },
    isRevoked: ({ deviceId, serial }) =>
      devices.get(deviceId)?.revocations.some(revocation => serial <= revocation.serial) ?? false,
    limitOf: (deviceId, logId) => {
      const held = devices.get(deviceId)
      if (!held || held.revocations.length === 0) return Number.POSITIVE_INFINITY
      held.limits ??= limitsOf([...held.epochs.values()], held.revocations)
      return held.limits.get(logId) ?? 0
    },
  }
}

/** For each of a device's epochs, the number of its first event that does not count. */
export function limitsOf(epochs: readonly Epoch[], revoked: readonly Revoked[]): ReadonlyMap<LogId, number> {
  const before = new Map(epochs.map(({ logId, prev }) => [logId, prev]))
  const cuts = revoked.map(({ serial, cutoff }) => ({ serial, reach: reachOf(cutoff, before) }))
  return new Map(
    epochs.map(({ logId, serial }) => {
      const meant = cuts.filter(cut => serial <= cut.serial)
      return [logId, Math.min(...meant.map(cut => cut.reach.get(logId) ?? 0))]
    }),
  )
}

/** What stands behind the event that an epoch names as its last one was written later: its log was not closed by then. */
function reachOf(
  cutoff: Revoked['cutoff'],
  before: ReadonlyMap<LogId, Epoch['prev']>,
): ReadonlyMap<LogId, number> {
  const reach = new Map<LogId, number>()
  const extend = (logId: LogId, seq: number): void => {
    reach.set(logId, Math.max(seq + 1, reach.get(logId) ?? 0))
  }
  for (const { logId, seq } of cutoff) extend(logId, seq)
  const named = new Set(reach.keys())
  for (const logId of named) {
    const seen = new Set<LogId>()
    for (
      let at = before.get(logId);
      at && !named.has(at.logId) && !seen.has(at.logId);
      at = before.get(at.logId)
    ) {
      seen.add(at.logId)
      extend(at.logId, at.seq)
    }
  }
  return reach
}
