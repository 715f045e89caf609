// A message from `send` to the receiver's handler: what the line, the budget, the dice and the time in the air make of it.
// It costs one look-up and one task. What was sent over a connection that has ended since, or arrives while its direction
// is cut, is lost; nothing is ever changed on its way.
import { invariant } from '../../src/errors.ts'
import { FRAME_HEADER_BYTES } from '../../src/host/framing.ts'
import { NETWORK_LIMITS } from '../../src/host/network-limits.ts'
import { CERTIFICATE_GRACE_MS } from '../../src/identity/certificate.ts'
import { MAX_MESSAGE_BYTES, type Network } from '../../src/ports.ts'
import type { DeviceId } from '../../src/units.ts'
import { airTimeMs, enqueue, isStalled, type LinkQuality, spend } from './link.ts'
import { breakLink, type Meetings, type Member, type Tie } from './meeting.ts'
import type { Way } from './reach.ts'

export type NetworkObserver = {
  /** Handed to a connection; what becomes of it is not decided yet. */
  readonly sent?: (from: DeviceId, to: DeviceId, bytes: Uint8Array) => void
  /** Just before its receiver hears it. */
  readonly delivered?: (from: DeviceId, to: DeviceId, bytes: Uint8Array) => void
}

export type Deliveries = Meetings & {
  readonly observe: NetworkObserver
  readonly sharesBytes: boolean
  readonly messages: { sent: number; delivered: number; lost: number; doubled: number; overBudget: number }
}

export function senderOf(world: Deliveries, member: Member): Network['send'] {
  return (to, message) => {
    invariant(message.length <= MAX_MESSAGE_BYTES, `message of ${message.length} bytes`)
    invariant(message.length > 0, 'empty message')
    const tie = member.peers.get(to)
    if (!tie) return
    const { way, link } = tie
    world.messages.sent++
    world.observe.sent?.(way.from.deviceId, to, message)
    const quality = link.quality ?? world.quality.common
    const bytes = message.length + FRAME_HEADER_BYTES
    const waitMs = lineMs(world, tie, { quality, bytes })
    if (waitMs === undefined) {
      world.messages.lost++
      return
    }
    member.traffic.sentBytes += bytes
    way.from.traffic.sentBytes += bytes
    if (isPaid(world, way, { quality, bytes })) launch(world, tie, { message, quality, waitMs })
    else world.messages.overBudget++
  }
}

type Parcel = { readonly quality: LinkQuality; readonly bytes: number }

/** How long until the message has left; undefined when its queue is full. */
function lineMs(world: Deliveries, tie: Tie, { quality, bytes }: Parcel): number | undefined {
  const bytesPerS = rateOf(tie.way, quality)
  if (bytesPerS === undefined) return 0
  const nowMs = world.nowMs?.() ?? 0
  const waitMs = enqueue(tie.way, { bytes, bytesPerS, nowMs })
  if (isStalled(tie.way, nowMs)) watch(world, tie)
  return waitMs
}

/** The slower of the line and its reader. */
function rateOf({ to }: Way, { bytesPerS }: LinkQuality): number | undefined {
  const { readsBytesPerS } = to
  if (bytesPerS === undefined || readsBytesPerS === undefined) return bytesPerS ?? readsBytesPerS
  return Math.min(bytesPerS, readsBytesPerS)
}

/** The sender waits as long as the real host does; then both ends lose the connection, with all that waits. */
function watch(world: Deliveries, { link, way, session }: Tie): void {
  if (way.isStalling) return
  way.isStalling = true
  world.schedule(NETWORK_LIMITS.stallMs, () => {
    if (link.session !== session) return
    way.isStalling = false
    const isSlow = rateOf(way, link.quality ?? world.quality.common) === way.bytesPerS
    if (isSlow && way.freeAtMs > (world.nowMs?.() ?? 0)) breakLink(world, link)
  })
}

function isPaid(world: Deliveries, way: Way, { quality, bytes }: Parcel): boolean {
  const { bytesPerDay } = quality
  return bytesPerDay === undefined || spend(way, { bytes, bytesPerDay, nowMs: world.nowMs?.() ?? 0 })
}

type Flight = { readonly message: Uint8Array; readonly quality: LinkQuality; readonly waitMs: number }

function launch(world: Deliveries, tie: Tie, { message, quality, waitMs }: Flight): void {
  const { draw, messages, schedule } = world
  if (quality.lossRate > 0 && draw() < quality.lossRate) {
    messages.lost++
    return
  }
  const isDoubled = quality.duplicateRate > 0 && draw() < quality.duplicateRate
  const arriving = world.sharesBytes ? message : message.slice()
  schedule(waitMs + airTimeMs(quality, draw), () => deliver(world, tie, arriving))
  if (!isDoubled) return
  messages.doubled++
  const again = world.sharesBytes ? message : message.slice()
  schedule(waitMs + airTimeMs(quality, draw), () => deliver(world, tie, again))
}

function deliver(world: Deliveries, { link, way, session }: Tie, message: Uint8Array): void {
  const { messages, observe } = world
  const receiver = link.holders[way.toEnd]
  const sender = link.holders[way.toEnd === 0 ? 1 : 0]
  if (link.session !== session || !way.isOpen || !receiver || !sender) {
    messages.lost++
    return
  }
  // The real host looks at each tick; a peer that says nothing costs nothing here either way.
  if (receiver.wallMs() > sender.certificate.notAfterAt + CERTIFICATE_GRACE_MS) {
    messages.lost++
    breakLink(world, link)
    return
  }
  const bytes = message.length + FRAME_HEADER_BYTES
  messages.delivered++
  receiver.traffic.receivedBytes += bytes
  way.to.traffic.receivedBytes += bytes
  observe.delivered?.(way.from.deviceId, way.to.deviceId, message)
  receiver.onMessage(way.from.deviceId, message)
}
