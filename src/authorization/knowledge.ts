// Which node is known to hold which of the operator's words, by its own signed ones: the policy heads in its openings, its
// session starts and its checkpoints (PROTOCOL 2.4). What a node has said counts for every later epoch of it that follows on
// the place where it was said; an old image that was put back follows on an earlier place, and a store that lost something
// begins anew. Nothing of it depends on the order in which logs arrive.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { DeviceId, LogId } from '../units.ts'

type Opening = Pick<BodyOf<'epoch_open'>, 'prev' | 'storeState'>
type Place = { readonly logId: LogId; readonly seq: number; readonly hlc: Hlc }

export type Knowledge = {
  readonly opened: (deviceId: DeviceId, at: Place, opening: Opening) => void
  /** The device held these heads, and all before them, when it wrote this. */
  readonly said: (deviceId: DeviceId, at: Place, heads: readonly EventRef[]) => void
  /** Where the device said first that it holds this event of the operator's; undefined when it never did. */
  readonly heldSince: (deviceId: DeviceId, ref: EventRef) => Hlc | undefined
  /** A card or a device was revoked: whoever holds that says so. */
  readonly revoked: (ref: EventRef) => void
  /** The newest revocation of each of the operator's logs that the device has not said to hold. */
  readonly owedBy: (deviceId: DeviceId) => readonly EventRef[]
}

type Saying = { readonly at: Place; readonly head: EventRef }
type Epoch = {
  readonly logId: LogId
  readonly openedHlc: Hlc
  readonly opening: Opening
  /** Of each of the operator's logs what was news, rising. */
  readonly sayings: Map<LogId, Saying[]>
}

export function createKnowledge(): Knowledge {
  const devices = new Map<DeviceId, Map<LogId, Epoch>>()
  const newest = new Map<DeviceId, Epoch>()
  const revocations = new Map<LogId, EventRef>()

  const heldSince = (deviceId: DeviceId, ref: EventRef): Hlc | undefined => {
    const epochs = devices.get(deviceId)
    let untilSeq = Number.POSITIVE_INFINITY
    let since: Hlc | undefined
    for (let epoch = newest.get(deviceId); epoch; ) {
      const upTo = untilSeq
      const first = epoch.sayings.get(ref.logId)?.find(one => one.head.seq >= ref.seq && one.at.seq <= upTo)
      since = first?.at.hlc ?? since
      const { prev, storeState } = epoch.opening
      const before: Epoch | undefined = prev && storeState === 'intact' ? epochs?.get(prev.logId) : undefined
      // Only a forger's epochs could follow one another in a ring.
      if (!prev || !before || before.openedHlc >= epoch.openedHlc) break
      untilSeq = prev.seq
      epoch = before
    }
    return since
  }

  return {
    opened: (deviceId, { logId, hlc }, { prev, storeState }) => {
      const epochs = devices.get(deviceId) ?? new Map<LogId, Epoch>()
      devices.set(deviceId, epochs)
      const opening = { storeState, ...(prev && { prev }) }
      const epoch = { logId, openedHlc: hlc, opening, sayings: new Map<LogId, Saying[]>() }
      epochs.set(logId, epoch)
      const last = newest.get(deviceId)
      if (!last || isLater(epoch, last)) newest.set(deviceId, epoch)
    },
    said: (deviceId, at, heads) => {
      const sayings = devices.get(deviceId)?.get(at.logId)?.sayings
      for (const head of heads) {
        const before = sayings?.get(head.logId) ?? []
        if ((before.at(-1)?.head.seq ?? -1) >= head.seq) continue
        before.push({ at, head })
        sayings?.set(head.logId, before)
      }
    },
    heldSince,
    revoked: ref => {
      const held = revocations.get(ref.logId)
      if (!held || held.seq < ref.seq) revocations.set(ref.logId, ref)
    },
    owedBy: deviceId => [...revocations.values()].filter(ref => heldSince(deviceId, ref) === undefined),
  }
}

function isLater(a: Epoch, b: Epoch): boolean {
  return a.openedHlc === b.openedHlc ? a.logId > b.logId : a.openedHlc > b.openedHlc
}
