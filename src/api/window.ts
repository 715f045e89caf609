// The risk window of a revoked card, as one node can state it: its own logs, folded (authorization/window.ts). It holds for
// what has happened by now anywhere, since what a node has not heard of it takes for the worst.
import type { Knowledge } from '../authorization/knowledge.ts'
import { type Grant, newer, type Revocation } from '../authorization/policy.ts'
import { type RiskWindow, riskWindow, type WindowNode } from '../authorization/window.ts'
import type { Roster } from '../identity/roster.ts'
import { type Hlc, wallOf } from '../log/hlc.ts'
import type { Node } from '../node.ts'
import { highestOf, type Price, priceOf } from '../tariff/price.ts'
import type { DeviceId, TokenRef } from '../units.ts'
import { isoOf } from './report.ts'

type Ledger = ReturnType<Node['ledger']>

/** A large car's battery; the word of whoever asks counts more. */
export const SESSION_WH = 100_000

export type WindowDeps = {
  readonly ledger: Ledger
  readonly roster: Roster
  /** It holds what it tells. */
  readonly self: DeviceId
}

export type WindowQuestion = {
  /** Of one card, under each key of the site. */
  readonly tokenRefs: readonly TokenRef[]
  readonly nowAt: number
  readonly sessionWh?: number | undefined
  readonly maxPowerW?: number | undefined
  readonly islands?: number | undefined
}

export type StatedWindow = RiskWindow & {
  readonly revokedAt: number
  readonly reason: string
  readonly sessionWh: number
}

/** Undefined where this node knows of no revocation that counts. */
export function statedWindow(deps: WindowDeps, question: WindowQuestion): StatedWindow | undefined {
  const { ledger } = deps
  const { policy } = ledger.view()
  const { tokenRefs, nowAt, sessionWh = SESSION_WH, maxPowerW, islands } = question
  const grants = tokenRefs.flatMap(policy.grants)
  const standing = standingOf(tokenRefs.flatMap(policy.revocations), grants)
  const [first] = standing.refs
  const state = policy.tokenOf(tokenRefs)
  if (!first || state.kind !== 'revoked') return undefined
  const revokedAt = wallOf(first.hlc)
  const known = nodesOf(deps, standing, grants)
  const silent = new Set(known.filter(({ node }) => node.knowsSinceAt === undefined).map(one => one.deviceId))
  const window = riskWindow({
    ...{ nowAt, revokedAt, sessionWh, nodes: known.map(({ node }) => node) },
    ...drawnOf(ledger, { tokenRefs, revokedAt, silent }),
    ...(maxPowerW !== undefined && { maxPowerW }),
    ...(islands !== undefined && { islands }),
  })
  return { ...window, revokedAt, reason: state.revocation.body.reason, sessionWh }
}

/** Whoever holds one of `refs` refuses the card; where each revocation was undone by another grant, only who holds all. */
type Standing = { readonly refs: readonly Revocation[]; readonly isOneEnough: boolean }

function standingOf(revocations: readonly Revocation[], grants: readonly Grant[]): Standing {
  const inOrder = revocations.toSorted((a, b) => (newer(a, b) ? 1 : -1))
  const uncited = inOrder.filter(({ ref }) => !grants.some(grant => grant.body.supersedes.includes(ref.hash)))
  const isOneEnough = uncited.length > 0
  return { refs: isOneEnough ? uncited : inOrder, isOneEnough }
}

type KnownNode = { readonly deviceId: DeviceId; readonly node: WindowNode }

/** Every node that has a certificate and was not revoked, heard of or not. */
function nodesOf(
  { ledger, roster, self }: WindowDeps,
  standing: Standing,
  grants: readonly Grant[],
): readonly KnownNode[] {
  const { standing: words, knowledge } = ledger.view()
  const ids = new Set(roster.all().flatMap(one => (one.roles.includes('node') ? [one.deviceId] : [])))
  return [...ids].flatMap((deviceId): readonly KnownNode[] => {
    const certificate = roster.byDevice(deviceId)
    if (!certificate || words.isVoid(certificate)) return []
    const since = deviceId === self ? standing.refs[0]?.hlc : sinceOf(knowledge, deviceId, standing)
    const held = grants.filter(grant => knowledge.heldSince(deviceId, grant.ref) !== undefined)
    const newestHeld = held.find(grant => held.every(other => other === grant || newer(grant, other)))
    const node: WindowNode = {
      name: certificate.name,
      knowsSinceAt: since === undefined ? undefined : wallOf(since),
      grants: grants.filter(grant => !newestHeld || grant === newestHeld || newer(grant, newestHeld)),
    }
    return [{ deviceId, node }]
  })
}

function sinceOf(knowledge: Knowledge, deviceId: DeviceId, { refs, isOneEnough }: Standing): Hlc | undefined {
  const said = refs.map(({ ref }) => knowledge.heldSince(deviceId, ref))
  const heard = said.flatMap(hlc => hlc ?? []).sort((a, b) => (a < b ? -1 : 1))
  if (isOneEnough) return heard[0]
  return heard.length === said.length ? heard.at(-1) : undefined
}

type Asked = {
  readonly tokenRefs: readonly TokenRef[]
  readonly revokedAt: number
  readonly silent: ReadonlySet<DeviceId>
}

/** What sessions drew that ran behind the revocation; those of silent nodes are in their islands. */
function drawnOf(ledger: Ledger, { tokenRefs, revokedAt, silent }: Asked): { drawnWh: number; open: number } {
  const told = tokenRefs
    .flatMap(ledger.view().ofToken)
    .filter(({ start, end }) => !silent.has(start.deviceId) && !(end && wallOf(end.hlc) < revokedAt))
  const ended = told.flatMap(({ energyWh }) => energyWh ?? [])
  return { drawnWh: ended.reduce((sum, wh) => sum + wh, 0), open: told.length - ended.length }
}

/** Names, times and money, as JSON. */
export function reportWindow(deps: WindowDeps, question: WindowQuestion): Readonly<Record<string, unknown>> {
  const stated = statedWindow(deps, question)
  const state = deps.ledger.view().policy.tokenOf(question.tokenRefs)
  if (!stated) return { state: state.kind }
  const price = dearestOf(deps, question.nowAt)
  const { worstWh, capWhPerDay } = stated
  const cost = price && worstWh !== undefined ? priceOf(worstWh, price) : undefined
  return {
    state: 'revoked',
    revokedAt: isoOf(stated.revokedAt),
    reason: stated.reason,
    knowing: stated.knowing.map(({ name, knowsSinceAt }) => ({ name, since: isoOf(knowsSinceAt ?? 0) })),
    silent: stated.silent.map(({ name }) => ({ name, ...heardOf(deps, name) })),
    islands: stated.islands,
    days: stated.days,
    ...(capWhPerDay !== undefined && { capWhPerDay }),
    sessionWh: stated.sessionWh,
    drawnWh: stated.drawnWh,
    open: stated.open,
    ...(worstWh !== undefined && { worstWh }),
    ...(cost !== undefined && price && { worstCost: cost, currency: price.currency }),
    ...(price && { pricePerKwh: price.pricePerKwh }),
    ...(price && price.besides.length > 0 && { worstCostWithout: price.besides }),
  }
}

type Dearest = Price & { readonly besides: readonly string[] }

/** The most that energy costs anywhere at the site, and what else has a price: no energy says how much comes of that. */
function dearestOf({ ledger }: WindowDeps, nowAt: number): Dearest | undefined {
  const standing = ledger.view().tariffs.standing(nowAt)
  const pricePerKwh = highestOf(standing.map(one => one.pricePerKwh))
  const dearest = standing.find(one => one.pricePerKwh === pricePerKwh)
  const components = standing.flatMap(({ terms }) => terms?.elements.flatMap(one => one.components) ?? [])
  const besides = new Set(components.map(({ type }) => type).filter(type => type !== 'ENERGY'))
  return dearest && { ...dearest, besides: [...besides].sort() }
}

/** When the newest event of a node was written that has come here. */
function heardOf({ ledger, roster }: WindowDeps, name: string): { readonly lastHeardAt?: string } {
  const heard = [...ledger.logs.all()]
    .filter(log => roster.byDevice(log.certificate.deviceId)?.name === name)
    .map(log => wallOf(log.head.hlc))
  return heard.length === 0 ? {} : { lastHeardAt: isoOf(Math.max(...heard)) }
}
