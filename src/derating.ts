// Connectors that are too hot give less: the session that runs gets a limit of its own, lowered and raised by the rule in
// defaults/derating.ts. The limit is the session's and ends with it. What another node lowered before it went is not known
// here, so a session that did not begin here is first given its full limit, or the one that its heat asks for.
import type { Acting } from './acting.ts'
import type { ChargingProfile } from './charging-profile.ts'
import { type Derating, derate, FULL, SHARES } from './defaults/derating.ts'
import {
  type Capabilities,
  HEAT_PROFILE,
  inTenths,
  LEAST_AMPS,
  LEAST_WATTS,
  type Limit,
  limitFor,
  safeProfile,
} from './defaults/limits.ts'
import type { AnyBody } from './log/body.ts'
import { capOf } from './onboarding.ts'
import type { ChargePoints, ChargerCommand, ChargerInput, CommandOutcome } from './ports.ts'
import type { Send } from './replica/sends.ts'
import type { Session } from './session/fold.ts'
import type { ChargerId, SessionId } from './units.ts'

const MAX_CONNECTORS = 64
/** A charger that refuses is asked again after so long; one that knows no profiles, after its next boot. */
const RETRY_MS = 10 * 60_000
const UNREACHED_MS = 30_000
const MINUTE_S = 60

export type Deratings = {
  /** A charger told how hot it is, or booted. */
  readonly heard: (input: ChargerInput) => void
  readonly tick: (act: Acting, back: (result: () => readonly Send[]) => void) => void
  /** What was under way is forgotten with the rest of the memory. */
  readonly forget: () => void
  /** Connectors that give less now, by number: the share, and how hot they are. */
  readonly report: (chargerId: ChargerId) => Readonly<Record<string, { share: number; celsius?: number }>>
}

export type DeratingsDeps = {
  readonly chargePoints: ChargePoints
  /** What the charger said of its smart charging, where it was asked. */
  readonly capabilities: (chargerId: ChargerId) => Capabilities | undefined
  readonly count: (name: string, by?: number) => void
}

type Connector = {
  readonly chargerId: ChargerId
  readonly connectorId: number
  celsius: number | undefined
  isAlarm: boolean
  /** The most that was measured in the session that runs. */
  peak: { readonly sessionId: SessionId | undefined; readonly watts: number }
  watts: number
  derating: Derating
  /** What the charger was told of its session. */
  told: { readonly sessionId: SessionId; readonly step: number } | undefined
  isBusy: boolean
  notBeforeMs: number
}

export function createDeratings(deps: DeratingsDeps): Deratings {
  const chargers = new Map<ChargerId, Map<number, Connector>>()
  const notes: AnyBody[] = []
  /** Connectors whose session began here. */
  const begun = new Set<string>()
  const of = (chargerId: ChargerId, connectorId: number): Connector | undefined => {
    const connectors = chargers.get(chargerId) ?? new Map<number, Connector>()
    const held = connectors.get(connectorId)
    if (held || connectorId < 0 || connectorId > MAX_CONNECTORS) return held
    const made = newConnector(chargerId, connectorId)
    chargers.set(chargerId, connectors.set(connectorId, made))
    return made
  }
  return {
    heard: ({ chargerId, message }) => {
      if (message.kind === 'boot') {
        for (const one of chargers.get(chargerId)?.values() ?? [])
          Object.assign(one, { isAlarm: false, notBeforeMs: 0, told: undefined })
      }
      if (message.kind === 'status') {
        const isAlarm = message.errorCode === 'HighTemperature'
        const held = chargers.get(chargerId)?.get(message.connectorId)
        if (isAlarm || held) Object.assign(of(chargerId, message.connectorId) ?? {}, { isAlarm })
      }
      if (message.kind === 'connected') {
        // Another node may have had it in between.
        for (const place of begun) if (place.startsWith(`${chargerId}/`)) begun.delete(place)
        for (const one of chargers.get(chargerId)?.values() ?? []) one.told = undefined
      }
      if (message.kind === 'start' && message.connectorId <= MAX_CONNECTORS)
        begun.add(placeOf({ chargerId, connectorId: message.connectorId }))
      if (message.kind !== 'meter') return
      const { temperatureC } = message.readings.findLast(one => one.temperatureC !== undefined) ?? {}
      const { powerW } = message.readings.findLast(one => one.powerW !== undefined) ?? {}
      // Who never said how hot it is costs nothing.
      const held = chargers.get(chargerId)?.get(message.connectorId)
      if (temperatureC === undefined && !held) return
      const connector = of(chargerId, message.connectorId)
      if (connector && temperatureC !== undefined) connector.celsius = temperatureC
      if (connector && powerW !== undefined) connector.watts = powerW
    },
    tick: (act, back) => {
      act.record(notes.splice(0))
      if (chargers.size === 0) return
      const hotFromC = act.ledger.view().sitePolicy.number('derate-above-celsius')
      const here = new Set(deps.chargePoints.connected())
      for (const [chargerId, connectors] of chargers) {
        if (!here.has(chargerId)) continue
        const whole = connectors.get(0)
        for (const one of connectors.values())
          if (one.connectorId > 0) step({ deps, act, back, notes, hotFromC, begun }, one, whole)
      }
    },
    forget: () => {
      for (const connectors of chargers.values()) for (const one of connectors.values()) one.isBusy = false
    },
    report: chargerId =>
      Object.fromEntries(
        [...(chargers.get(chargerId)?.values() ?? [])].flatMap(({ connectorId, derating, celsius }) =>
          derating.step === 0
            ? []
            : [[connectorId, { share: shareOf(derating), ...(celsius !== undefined && { celsius }) }]],
        ),
      ),
  }
}

function newConnector(chargerId: ChargerId, connectorId: number): Connector {
  return {
    ...{ chargerId, connectorId, celsius: undefined, isAlarm: false, watts: 0, derating: FULL },
    ...{ peak: { sessionId: undefined, watts: 0 }, told: undefined, isBusy: false, notBeforeMs: 0 },
  }
}

function placeOf({ chargerId, connectorId }: Pick<Connector, 'chargerId' | 'connectorId'>): string {
  return `${chargerId}/${connectorId}`
}

function shareOf({ step }: Pick<Derating, 'step'>): number {
  return SHARES[step] ?? 1
}

type Round = {
  readonly deps: DeratingsDeps
  readonly act: Acting
  readonly back: (result: () => readonly Send[]) => void
  readonly notes: AnyBody[]
  readonly begun: ReadonlySet<string>
  readonly hotFromC: number | undefined
}

function step(round: Round, one: Connector, whole: Connector | undefined): void {
  const { act, hotFromC } = round
  const nowMs = act.times.monotonicMs
  const isAlarm = one.isAlarm || (whole?.isAlarm ?? false)
  const celsius = hottest(one.celsius, whole?.celsius)
  const known = { isAlarm, celsius }
  one.derating = hotFromC === undefined ? FULL : derate(one.derating, known, hotFromC, nowMs)
  const session = act.ledger
    .view()
    .ofCharger(one.chargerId)
    .sessions.findLast(({ end, connectorId }) => !end && connectorId === one.connectorId)
  if (!session) {
    one.told = undefined
    return
  }
  const watts = one.peak.sessionId === session.sessionId ? Math.max(one.peak.watts, one.watts) : one.watts
  one.peak = { sessionId: session.sessionId, watts }
  const before = round.begun.has(placeOf(one)) ? 0 : undefined
  const told = one.told?.sessionId === session.sessionId ? one.told.step : before
  if (told === one.derating.step || one.isBusy || nowMs < one.notBeforeMs) return
  tell(round, one, session)
}

function hottest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b)
}

function tell({ deps, act, back, notes }: Round, one: Connector, session: Session): void {
  const { chargerId, connectorId, derating } = one
  const { step } = derating
  const limit = step === 0 ? NO_LIMIT : limitOf(deps, act, one)
  const at = one.celsius === undefined ? '' : ` at ${Math.round(one.celsius)} °C`
  const note = (words: string): void => {
    const body = { code: 'derated', detail: `${words}${at}`, chargerId, connectorId }
    notes.push({ name: 'diagnostics', body })
  }
  if (typeof limit === 'string') {
    one.notBeforeMs = act.times.monotonicMs + RETRY_MS
    note(`too hot, and nothing can be lowered: ${limit}`)
    return
  }
  const minutes = act.ledger.view().sitePolicy.number('max-session-minutes')
  const can = deps.capabilities(chargerId) ?? UNKNOWN
  // It also takes the place of what ends a session that runs too long.
  const { periods } = safeProfile(limit, minutes === undefined ? undefined : minutes * MINUTE_S, can)
  const command = step === 0 ? clearOf(one) : setOf(one, session, { unit: limit.unit, periods, can })
  one.isBusy = true
  act.afterwards(() => {
    void deps.chargePoints.command(chargerId, command).then(outcome =>
      back(() => {
        one.isBusy = false
        deps.count(`derating.${outcome.kind}`)
        if (outcome.kind === 'accepted' || (step === 0 && outcome.kind === 'rejected')) {
          one.told = { sessionId: session.sessionId, step }
          const words =
            step === 0 ? 'gives all it can again' : `gives ${limit.limit} ${limit.unit} at the most`
          if (outcome.kind === 'accepted') note(words)
          return []
        }
        one.notBeforeMs = act.times.monotonicMs + waitOf(outcome)
        if (outcome.kind === 'rejected') note(`too hot, and the charger takes no limit: ${outcome.status}`)
        return []
      }),
    )
  })
}

function waitOf(outcome: CommandOutcome): number {
  if (outcome.kind !== 'rejected') return UNREACHED_MS
  return ['NotSupported', 'NotImplemented'].includes(outcome.status) ? Number.POSITIVE_INFINITY : RETRY_MS
}

/** A share of what was said of the connector, or else of the most that this session took. */
function limitOf({ capabilities }: DeratingsDeps, act: Acting, one: Connector): Limit | string {
  const can = capabilities(one.chargerId) ?? UNKNOWN
  const said = capOf(act.ledger.view(), one.chargerId)
  const isSaid = said.watts !== undefined || said.amps !== undefined
  const { watts } = one.peak
  if (!isSaid && watts <= 0) return 'nobody said what it may give, and it never told what it gives'
  const most = limitFor(isSaid ? said : { ...said, watts }, can)
  if (typeof most === 'string') return most
  // A session's limit takes the place of one that a person gave the connector, and must not be above it: what the session
  // took knows of that one. Where watts can only be guessed from amperes the operator's word stands alone, and a car that
  // hardly draws anything says nothing.
  const isComparable =
    watts >= LEAST_WATTS && (most.unit === 'W' || (said.phases ?? can.phases) !== undefined)
  const { phases, isDirect } = said
  const taken = isComparable
    ? limitFor({ watts, isDirect, ...(phases !== undefined && { phases }) }, { ...can, units: [most.unit] })
    : most
  const base = typeof taken !== 'string' && taken.limit < most.limit ? taken : most
  const limit = inTenths(base.limit * shareOf(one.derating))
  if (said.isDirect) return { ...base, limit }
  const least = base.unit === 'A' ? LEAST_AMPS : LEAST_WATTS
  return { ...base, limit: Math.max(limit, isSaid ? Math.min(most.limit, least) : least) }
}

const NO_LIMIT: Limit = { unit: 'W', limit: Number.POSITIVE_INFINITY }
const UNKNOWN: Capabilities = {
  ...{ isSmart: undefined, units: undefined, maxStackLevel: undefined, maxPeriods: undefined },
  phases: undefined,
}

type Asked = Pick<ChargingProfile, 'unit' | 'periods'> & { readonly can: Capabilities }

function setOf(
  { connectorId }: Connector,
  { transactionIds, start }: Session,
  { unit, periods, can }: Asked,
): ChargerCommand {
  const { stationTransactionId } = start.body
  const profile: ChargingProfile = {
    profileId: HEAT_PROFILE + connectorId,
    stackLevel: Math.min(1, can.maxStackLevel ?? 1),
    purpose: 'session',
    transactionId: transactionIds.at(-1) ?? start.body.transactionId,
    ...(stationTransactionId !== undefined && { stationTransactionId }),
    ...{ unit, periods },
  }
  return { kind: 'setProfile', connectorId, profile }
}

function clearOf({ connectorId }: Connector): ChargerCommand {
  return { kind: 'clearProfile', profileId: HEAT_PROFILE + connectorId }
}
