// Tells existing central systems of sessions, as each charger would have told them that was offline: in order, over a line of
// the charger's own. What is said is written in the log before it leaves, and what is answered before anything else is said, so
// that a restart, or another node, goes on just there (forwarding/). One node at a time has the turn (forwarding/turns.ts).
import type { Acting } from './acting.ts'
import { MeshError } from './errors.ts'
import { agreedStanding, mayDecide } from './forwarder-agreed.ts'
import { type Back, greet, hangUp, type Speaking, type Talk } from './forwarder-call.ts'
import { backOff, hurry, isOwed, type Line, newLine, refresh, toldOf } from './forwarder-line.ts'
import { callsOf, type ForwardReport, reportWay } from './forwarder-report.ts'
import { createToldSessions, type ToldSessions } from './forwarder-session.ts'
import { type Standing, standingOf } from './forwarder-standing.ts'
import { step } from './forwarder-talk.ts'
import type { Ledger, Times } from './ledger.ts'
import type { AnyBody } from './log/body.ts'
import { MAX_HANDED_HEADS } from './log/forward-bodies.ts'
import type { Session } from './session/fold.ts'
import type { ChargerId, DeviceId, SessionId } from './units.ts'
import type { Call, Translator } from './uplink/csms-calls.ts'
import type { CentralSystem } from './upstream.ts'
import type { View } from './view.ts'

/** Chargers of one central system that are spoken for at once. */
const MAX_AT_ONCE = 8
/** A line on which nothing is to be said is closed. */
const LINGER_MS = 15_000
/** A line that stood so long was no failure. */
const STEADY_MS = 60_000

export type Way = {
  readonly system: CentralSystem
  readonly translator: Translator
  readonly lines: Map<ChargerId, Line>
  standing: Standing
  handing: Handing | undefined
}
type Handing = {
  readonly to: DeviceId
  readonly done: () => void
  readonly failed: (error: MeshError) => void
  /** Written, and on its way to the disk and the receiver. */
  isSaid: boolean
}

export type Forwarder = {
  readonly set: (systems: readonly CentralSystem[]) => void
  readonly tick: (act: Acting, back: Back) => void
  /** The store failed: what was under way is found again in the log. */
  readonly forget: () => void
  /** A person asks for a try now. */
  readonly hurry: () => void
  /** Gives the turn away as soon as no call is under way; resolves when that is durable. */
  readonly handOver: (name: string, to: DeviceId) => Promise<void>
  /** A person decides about a session: told anew, or never. Refuses what that would say twice. */
  readonly decide: (ledger: Ledger, decision: Decision) => AnyBody
  /** Whether a central system is still to be told of it by this node, so that its logs stay. */
  readonly owes: (ledger: Ledger, session: Session) => boolean
  readonly report: (ledger: Ledger, times: Times) => readonly ForwardReport[]
  /** What would be said of a session, by central system. */
  readonly calls: (
    ledger: Ledger,
    sessionId: SessionId,
  ) => readonly { readonly name: string; readonly calls: readonly Call[] }[]
}

export type Decision = {
  readonly name: string
  readonly sessionId: SessionId
  readonly verdict: 'retry' | 'skip'
}

export type ForwarderDeps = Speaking & {
  readonly self: DeviceId
  readonly nameOf: (deviceId: DeviceId) => string
  readonly translators: Readonly<Partial<Record<CentralSystem['terms']['protocol'], Translator>>>
}

export function createForwarder(deps: ForwarderDeps): Forwarder {
  let ways: readonly Way[] = []
  const sessions = createToldSessions()
  return {
    set: systems => {
      for (const way of ways) if (!systems.includes(way.system)) failHanding(way, 'the uplink was taken away')
      ways = systems.flatMap(system => {
        const held = ways.find(way => way.system === system)
        const translator = deps.translators[system.terms.protocol]
        if (held || !translator) return held ?? []
        const standing: Standing = { mayForward: false, reason: 'not looked at yet', isDoubtful: () => false }
        return { system, translator, lines: new Map(), standing, handing: undefined }
      })
    },
    tick: (act, back) => {
      for (const way of ways) {
        way.standing = standing(way, deps, act)
        look(way, act)
        if (!way.system.terms.shadow)
          work({ deps, sessions, way, back, isListed: () => ways.includes(way) }, act)
        if (way.handing) handOver(way, deps.self, act)
      }
    },
    forget: () => {
      for (const way of ways) {
        if (way.handing) way.handing.isSaid = false
        for (const line of way.lines.values()) Object.assign(line, { isBusy: false, seen: undefined })
      }
    },
    hurry: () => {
      for (const { lines } of ways) for (const line of lines.values()) hurry(line)
    },
    handOver: async (name, to) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const way = wayNamed(ways, name)
      if (!way.standing.mayForward)
        throw new MeshError('CONFIG_INVALID', `${name}: this node does not hold it: ${way.standing.reason}`)
      if (to === deps.self) throw new MeshError('CONFIG_INVALID', `${name}: this node holds it already`)
      if (way.handing)
        throw new MeshError(
          'CONFIG_INVALID',
          `${name}: is just being handed to ${deps.nameOf(way.handing.to)}`,
        )
      way.handing = { to, done: resolve, failed: reject, isSaid: false }
      await promise
    },
    decide: (ledger, decision) => {
      const way = wayNamed(ways, decision.name)
      if (!ledger.view().forwarding.turns.isNamed(deps.self)) throw new MeshError('CONFIG_INVALID', UNNAMED)
      return decided(way, ledger, decision)
    },
    owes: (ledger, session) => ways.some(({ system }) => isOwed(system, ledger, session)),
    report: (ledger, times) => ways.map(way => reportWay(way, { deps, told: sessions, ledger, times })),
    calls: (ledger, sessionId) =>
      ways.map(way => {
        const found = ledger
          .view()
          .sessions()
          .find(one => one.sessionId === sessionId)
        const looking = { deps, told: sessions, ledger, times: NO_TIME }
        return { name: way.system.name, calls: found ? callsOf(way, found, looking) : [] }
      }),
  }
}

const UNNAMED =
  'this node is not one of the site’s forwarders, so its word does not count: decide at one of them, or name it (`policy set forwarders`)'

function wayNamed(ways: readonly Way[], name: string): Way {
  const way = ways.find(({ system }) => system.name === name)
  if (!way)
    throw new MeshError(
      'CONFIG_INVALID',
      `this node has no central system ${name}; \`uplink list\` shows them`,
    )
  return way
}

function decided({ system, lines }: Way, ledger: Ledger, { sessionId, verdict }: Decision): AnyBody {
  const session = ledger
    .view()
    .sessions()
    .find(one => one.sessionId === sessionId)
  if (!session) throw new MeshError('CONFIG_INVALID', `session ${sessionId}: this node knows none`)
  const { told, sessionId: toldAs } = toldOf(ledger, system.name, session)
  const is = `session ${sessionId.slice(0, 8)} is`
  if (told.stage === 'stopped')
    throw new MeshError('CONFIG_INVALID', `${is} there to its end, as transaction ${told.upstreamId}`)
  if (verdict === 'retry' && 'upstreamId' in told)
    throw new MeshError(
      'CONFIG_INVALID',
      `${is} there as transaction ${told.upstreamId}; it is told to its end`,
    )
  if (lines.get(session.chargerId)?.isBusy)
    throw new MeshError(
      'CONFIG_INVALID',
      `${session.chargerId} is just being spoken for: try again in a minute`,
    )
  const words = ledger.view().forwarding.told.words(system.name, toldAs)
  const undone = words.filter(({ body }) => body.stage === 'asked' || body.stage === 'skipped')
  return {
    name: 'forwarded',
    body: {
      ...{ uplink: system.name, sessionId: toldAs, chargerId: session.chargerId },
      stage: verdict === 'retry' ? 'retry' : 'skipped',
      undoes: verdict === 'retry' ? undone.map(({ ref }) => ref).slice(-MAX_UNDONE) : [],
      note: 'a person decided',
    },
  }
}
const NO_TIME: Times = { wallMs: 0, monotonicMs: 0 }
/** As many as one word can name. */
const MAX_UNDONE = 16

function standing({ system }: Way, deps: ForwarderDeps, act: Acting): Standing {
  const { name: uplink, turn, terms } = system
  if (!turn || terms.shadow) return standingOf(act, { ...deps, uplink })
  return agreedStanding(act, { ...deps, uplink, turn })
}

/** What each charger has waiting. */
function look({ system, lines }: Way, { ledger }: Acting): void {
  for (const chargerId of system.terms.chargers ?? chargersOf(system, ledger.view())) {
    const line = lines.get(chargerId) ?? newLine(chargerId)
    lines.set(chargerId, line)
    refresh(line, ledger, system)
  }
}

/** All that ever charged; and who may be commanded before that, all that the site knows. */
function chargersOf({ terms }: CentralSystem, { policy, chargers }: View): readonly ChargerId[] {
  if (!terms.commands) return chargers()
  return [...new Set([...policy.chargePoints().map(({ chargerId }) => chargerId), ...chargers()])]
}

function handOver(way: Way, self: DeviceId, act: Acting): void {
  const { handing, system, lines, standing } = way
  const { turns, told } = act.ledger.view().forwarding
  const turn = turns.of(system.name)
  if (!handing || handing.isSaid || [...lines.values()].some(({ isBusy }) => isBusy)) return
  if (!turn || !standing.mayForward) {
    // The word was durable, and its store failed all the same.
    if (turn?.holder === handing.to && !system.turn) handing.done()
    else failHanding(way, standing.reason)
    way.handing = undefined
    return
  }
  const heads = told.heads(system.name).slice(0, MAX_HANDED_HEADS)
  const body = { uplink: system.name, to: handing.to, after: turn.by, heads: [...heads] }
  // Who has it by agreement alone gives it back there: by the order another holds it, whose word alone would move it.
  if (turn.holder === self) act.record([{ name: 'hand_over', body }])
  handing.isSaid = true
  for (const line of lines.values()) hangUp(system, line)
  act.afterwards(() => {
    const given = system.turn?.release(handing.to)
    if (!given) finish(way, handing)
    else void given.then(isGiven => (isGiven ? finish(way, handing) : failHanding(way, NOT_GIVEN)))
  })
}

function finish(way: Way, { done }: Handing): void {
  way.handing = undefined
  done()
}

const NOT_GIVEN =
  'the receiver did not say that it heard: `uplink list` shows in a minute who has the turn; if it is this node, hand over again'

function failHanding(way: Way, reason: string): void {
  way.handing?.failed(new MeshError('UPLINK_FAILED', `${way.system.name} was not handed over: ${reason}`))
  way.handing = undefined
}

type Work = {
  readonly deps: ForwarderDeps
  readonly sessions: ToldSessions
  readonly way: Way
  readonly back: Back
  /** Nobody has taken it away meanwhile. */
  readonly isListed: () => boolean
}

function work({ deps, sessions, way, back, isListed }: Work, act: Acting): void {
  const { system, translator, standing, lines } = way
  const { monotonicMs } = act.times
  // Asked again before each call: a lease ends between two ticks.
  const may = (): boolean => standing.mayForward && mayDecide(system.turn)
  const keeps = system.terms.commands === true
  const active = (): number =>
    [...lines.values()].filter(line => line.isBusy || (line.isGreeted && !keeps)).length
  const isOurs = (): boolean => isListed() && !way.handing && way.standing.mayForward && may()
  for (const line of lines.values()) {
    if (line.isBusy) continue
    if (keeps) noticeLoss(deps, way, { line, nowMs: monotonicMs })
    const { isDoubtful } = standing
    const talk: Talk = {
      ...{ deps, sessions, system, translator, back, line, isOurs, isDoubtful },
      goOn: later => step(talk, later),
    }
    if (!isOurs()) {
      // Nothing but what was answered and is not written yet.
      talk.goOn(act)
      if (!may()) hangUp(system, line)
    } else if (monotonicMs >= line.readyAtMs && (line.isGreeted || active() < MAX_AT_ONCE)) {
      talk.goOn(act)
      if (keeps && !line.isBusy && !line.isGreeted) greet(talk, act)
    }
    if (line.isBusy || !line.isGreeted) continue
    line.idleSinceMs ??= monotonicMs
    if (!keeps && monotonicMs - line.idleSinceMs >= LINGER_MS) hangUp(system, line)
  }
}

/** A line that is kept open is opened again where it was cut; at longer and longer intervals where it is cut at once. */
function noticeLoss(
  { random }: Pick<ForwarderDeps, 'random'>,
  { system }: Way,
  { line, nowMs }: { readonly line: Line; readonly nowMs: number },
): void {
  if (!line.isGreeted || system.isOpen(line.chargerId)) return
  if (nowMs - (line.idleSinceMs ?? nowMs) > STEADY_MS) line.failures = 0
  Object.assign(line, { isGreeted: false, idleSinceMs: undefined })
  backOff(line, nowMs, { reason: 'the line was lost', dice: (random.bytes(1)[0] ?? 0) / 256 })
}
