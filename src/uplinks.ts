// The ways out of a node: each tick asks the outbox what is due, hands it to the uplink, and brings the answer back
// into the mailbox. Several nodes may push the same at once; the cloud applies it once (PROTOCOL 3.1).
import type { Acting } from './acting.ts'
import { NOTHING_TOLD } from './ahead.ts'
import { doubtedIn } from './claims.ts'
import { MeshError, reasonOf } from './errors.ts'
import type { Signatures } from './identity/signature.ts'
import type { Ledger } from './ledger.ts'
import { cloudEpochOf } from './log/object.ts'
import { takeWords } from './operators-words.ts'
import type { Clock, Disk, Logger, PushAnswer, Random, Uplink } from './ports.ts'
import { type Composed, composePush } from './push.ts'
import type { Send } from './replica/sends.ts'
import { createSpending } from './spending.ts'
import type { DeviceId } from './units.ts'
import { watchUnsent } from './unsent.ts'
import {
  failed,
  hurry,
  isOpen,
  measured,
  pushed,
  type RoundInput,
  rests,
  round,
  sent,
  unsendable,
} from './uplink/outbox.ts'
import {
  isPollDue,
  type Now,
  type Permission,
  PUSH_OVERHEAD_BYTES,
  permissionOf,
  roomOf,
} from './uplink/terms.ts'
import { factsOf, newWay, statusOf, type UplinkStatus, type Waiting, type Way, waitingIn } from './way.ts'

/** A working uplink says so this often; a minute of silence means that it is gone (PROTOCOL 3.3). */
const ALIVE_EVERY_MS = 20_000
const ALIVE_FOR_MS = 60_000
/** How the priority of an uplink is said that names none. */
const FIRST_PRIORITY = 1

export type Uplinks = {
  readonly set: (uplinks: readonly Uplink[]) => void
  readonly tick: (act: Acting, back: (result: (act: Acting) => readonly Send[]) => void) => readonly Send[]
  /** The store failed: pushes under way will find nobody, and acks that they bring may be lost. */
  readonly storeFailed: () => void
  /** A person asks for a try now. */
  readonly hurry: () => void
  readonly status: () => readonly UplinkStatus[]
  readonly unsentEvents: (ledger: Ledger) => number
  /** What no uplink has carried yet, counted now. */
  readonly waiting: (ledger: Ledger) => Waiting
}

export type UplinksDeps = {
  readonly self: DeviceId
  readonly logKey: Uint8Array
  readonly signatures: Signatures
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly logger: Logger
  readonly count: (name: string, by?: number) => void
}

export function createUplinks(deps: UplinksDeps): Uplinks {
  let ways: readonly Way[] = []
  let saidAliveAtMs: number | undefined
  let isClockInDoubt = false
  const spending = createSpending(deps)
  const unsent = watchUnsent()
  const dice = (): number => {
    const drawn = deps.random.bytes(4)
    return new DataView(drawn.buffer, drawn.byteOffset).getUint32(0) / 2 ** 32
  }

  const now = (): Now => {
    return { wallMs: deps.clock.wallMs(), monotonicMs: deps.clock.monotonicMs(), isClockInDoubt }
  }

  const answered = (way: Way, { answer, composed, objectsSaid }: Answered, act: Acting): readonly Send[] => {
    const nowMs = act.times.monotonicMs
    const wasProbe = isOpen(way.outbox)
    way.doubted = doubtedIn(answer)
    way.failingSinceMs = undefined
    way.reason = answer.refused[0] && `refused ${answer.refused.length}, first: ${answer.refused[0].reason}`
    cost(way, answer.wireBytes)
    deps.count('uplink.pushed')
    for (const { logId, reason } of answer.refused) {
      deps.count('uplink.refused')
      deps.logger.warn('the cloud refused part of a log', { log: logId, reason, uplink: way.uplink.name })
    }
    act.ledger.objects.sawCloud(cloudEpochOf(answer.version), objectsSaid)
    const before = unsent.events(act.ledger)
    const heard = takeWords(deps, act, { way: way.uplink.name, answer })
    const { sends: learned, refused } = act.learn(answer.acks)
    const sends = [...heard.sends, ...learned]
    // Acks that we could not read are asked for again: the certificate that signed them may be on its way.
    if (refused === 0)
      act.afterwards(() => {
        // A cloud that lost commits lost beacons too.
        const isSame = cloudEpochOf(way.sinceVersion) === cloudEpochOf(answer.version)
        way.saidObjects = isSame ? Math.max(way.saidObjects, objectsSaid) : 0
        way.sinceVersion = answer.version
      })
    const after = unsent.events(act.ledger)
    // On at once only while it gets somewhere: a cloud whose acks we cannot read must not be hammered.
    // ... and only for what had no room: what came since can wait for the next round, or every event would cost a push.
    way.told = composed.told
    const gotOn = way.wasCut && after > 0 && (after < before || composed.push.lone !== undefined)
    way.hasMore = answer.more === true && heard.admitted > 0
    const goesOn = gotOn || (wasProbe && after > 0) || way.hasMore
    const elapsedMs = nowMs - (way.triedAtMs ?? nowMs)
    way.outbox = measured(pushed(way.outbox, nowMs, goesOn, dice), { bytes: composed.bytes, elapsedMs })
    way.succeededAtMs = nowMs
    return sends
  }

  const broke = (way: Way, { error, isOut }: Broken, act: Acting): readonly Send[] => {
    way.reason = reasonOf(error)
    way.failingSinceMs ??= act.times.monotonicMs
    deps.count('uplink.failed')
    // An uplink may fail in any way it likes; it must not take the node with it.
    const say = error instanceof MeshError ? deps.logger.warn : deps.logger.error
    say('uplink failed', { uplink: way.uplink.name, reason: way.reason })
    // What nobody can say was spent stays counted, if the push left at all.
    cost(way, numberIn(error, 'wireBytes') ?? (isOut ? way.reservedBytes : 0))
    way.outbox = failed(way.outbox, act.times.monotonicMs, dice, numberIn(error, 'retryAfterMs'))
    return []
  }

  /** A push took so much, of what was reserved for it. */
  const cost = (way: Way, wireBytes: number): void => {
    way.wireBytes += wireBytes
    const { name } = way.uplink
    spending.add(name, wireBytes - way.reservedBytes, isBudgeted(way)).catch((error: unknown) =>
      // More stands on the disk than was spent, so a restart costs time and not money.
      deps.logger.warn('what an uplink has cost was not written down', {
        uplink: name,
        reason: reasonOf(error),
      }),
    )
    way.reservedBytes = 0
  }

  const permit = (way: Way, { ledger }: Acting): Permission => {
    const facts = (one: Way) => factsOf(one, spending.today(one.uplink.name), ledger)
    const others = ways.filter(other => other !== way).map(facts)
    const permission = permissionOf(facts(way), others, now())
    if (way.permission.upTo === undefined && permission.upTo !== undefined)
      way.openedAtMs = deps.clock.monotonicMs()
    return permission
  }

  const sayAlive = (act: Acting): readonly Send[] => {
    const nowMs = act.times.monotonicMs
    const works = ways.filter(
      ({ succeededAtMs }) => succeededAtMs !== undefined && nowMs - succeededAtMs < ALIVE_FOR_MS,
    )
    const [best] = works.toSorted((a, b) => a.terms.priority - b.terms.priority)
    if (!best || (saidAliveAtMs !== undefined && nowMs - saidAliveAtMs < ALIVE_EVERY_MS)) return []
    saidAliveAtMs = nowMs
    const { priority } = best.terms
    const body = {
      ...{ deviceId: deps.self, issuedAt: act.times.wallMs, uplink: best.uplink.name.slice(0, 32) },
      ...(priority !== FIRST_PRIORITY && { priority }),
    }
    return act.state({ kind: 'uplink', body })
  }

  /** Takes what is due on a way and sends it when everything that this input decided is durable. */
  const pushBy = (way: Way, input: RoundInput, { act, back }: Ticking): void => {
    const next = round(way.outbox, input)
    way.outbox = next.state
    if (!next.send) return
    const nowMs = act.times.monotonicMs
    const { forAll, forRest } = roomOf(way.terms, spending.today(way.uplink.name))
    const room = input.upTo === 0 ? forAll : forRest
    const objectsSaid = act.ledger.objects.changes()
    const { logKey, signatures } = deps
    const roomBytes = room - PUSH_OVERHEAD_BYTES
    const due = { send: next.send, roomBytes, isReserve: input.upTo === 0, logKey, signatures }
    const composed = composePush(act, way, due)
    way.wasCut = composed.wasCut
    way.unpaid = composed.unpaid
    const reached = new Set([...composed.push.segments, ...composed.unpaid].map(({ logId }) => logId))
    const isIdle = composed.isBare && next.send.length > 0 && input.isPollDue === false
    const inIt = isIdle ? next.send : next.send.filter(log => reached.has(log.logId))
    way.outbox = { ...sent(way.outbox, inIt, nowMs), given: composed.given }
    if (isIdle) {
      way.outbox = unsendable(way.outbox, nowMs)
      return
    }
    way.triedAtMs = nowMs
    way.pushes += 1
    way.reservedBytes = isBudgeted(way) ? composed.bytes + PUSH_OVERHEAD_BYTES : 0
    let isOut = false
    const push = async (): Promise<PushAnswer> => {
      await spending.add(way.uplink.name, way.reservedBytes, isBudgeted(way))
      isOut = true
      return await way.uplink.push(composed.push)
    }
    // Nothing leaves the node before it is durable here.
    act.afterwards(() => {
      push().then(
        answer => back(later => answered(way, { answer, composed, objectsSaid }, later)),
        (error: unknown) => back(later => broke(way, { error, isOut }, later)),
      )
    })
  }

  return {
    set: list => {
      const nowMs = deps.clock.monotonicMs()
      ways = list.map(uplink => ways.find(way => way.uplink.name === uplink.name) ?? newWay(uplink, nowMs))
    },
    tick: (act, back) => {
      const nowMs = act.times.monotonicMs
      isClockInDoubt = ways.some(isTimed) && act.ledger.news(act.times).isClockInDoubt
      for (const way of ways) {
        if (isBudgeted(way) && !spending.isRead()) continue
        way.permission = permit(way, act)
        const { upTo, mayPoll } = way.permission
        if (upTo === undefined || rests(way.outbox, nowMs)) continue
        const { succeededAtMs: contactAtMs, openedAtMs } = way
        const input = {
          ...{ unsent: unsent.logs(act.ledger), self: deps.self, nowMs, dice, upTo },
          ...uplinksElsewhere(act, way, deps.self),
          isPollDue:
            mayPoll && (way.hasMore || isPollDue(way.terms, { monotonicMs: nowMs, contactAtMs, openedAtMs })),
        }
        pushBy(way, input, { act, back })
      }
      return sayAlive(act)
    },
    storeFailed: () => {
      for (const way of ways) {
        way.outbox = { ...way.outbox, busy: false }
        way.sinceVersion = 0
        way.saidObjects = 0
        way.told = NOTHING_TOLD
      }
    },
    hurry: () => {
      for (const way of ways) way.outbox = hurry(way.outbox, deps.clock.monotonicMs())
    },
    status: () => ways.map(way => statusOf(way, spending.today(way.uplink.name), now())),
    unsentEvents: unsent.events,
    waiting: ledger => waitingIn(ledger, unsent.logs(ledger), deps.clock.wallMs()),
  }
}

function isBudgeted({ terms }: Way): boolean {
  return terms.budgetBytes !== undefined
}

function isTimed({ terms }: Way): boolean {
  return terms.windows.length > 0
}

function numberIn(error: unknown, field: 'retryAfterMs' | 'wireBytes'): number | undefined {
  const value: unknown =
    error instanceof MeshError ? Object.entries(error).find(([key]) => key === field)?.[1] : undefined
  return typeof value === 'number' ? value : undefined
}

/** Live uplinks of this priority, and whether there are any that are to be used before them. */
function uplinksElsewhere(
  act: Acting,
  { terms }: Way,
  self: DeviceId,
): Pick<RoundInput, 'alive' | 'isCheaperElsewhere'> {
  const fresh = act.ledger.objects
    .ofKind('uplink')
    .map(({ body }) => body)
    .filter(body => Math.abs(act.times.wallMs - body.issuedAt) < ALIVE_FOR_MS)
    .filter(body => !act.ledger.isRevoked(body.deviceId))
  const priorityOf = (body: (typeof fresh)[number]): number => body.priority ?? FIRST_PRIORITY
  return {
    alive: fresh.filter(body => priorityOf(body) === terms.priority).map(body => body.deviceId),
    // Ours are weighed against one another elsewhere (terms.ts).
    isCheaperElsewhere: fresh.some(body => body.deviceId !== self && priorityOf(body) < terms.priority),
  }
}

type Ticking = {
  readonly act: Acting
  readonly back: (result: (act: Acting) => readonly Send[]) => void
}
/** `isOut`: it had left, so that it may have cost something. */
type Broken = { readonly error: unknown; readonly isOut: boolean }
type Answered = {
  readonly answer: PushAnswer
  readonly composed: Composed
  readonly objectsSaid: number
}
