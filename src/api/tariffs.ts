// The tariffs that a node knows, with how each stands at an instant: for people in words, and as they were published, so that
// whoever asks can price with them. A conflict is shown with both sides; which of them counts is a rule (tariff/choice.ts).
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { check } from '../config.ts'
import type { Node } from '../node.ts'
import type { Clock } from '../ports.ts'
import { asksTheSame, competes } from '../tariff/choice.ts'
import { describe } from '../tariff/describe.ts'
import { createTariffs, type Tariff, type Tariffs } from '../tariff/tariffs.ts'
import type { EventHash, LogId } from '../units.ts'
import { isoOf } from './report.ts'

export const TARIFF_STATES = [
  'in force',
  'coming',
  /** A newer one of the same scope stands before it; it counts again when that one ends. */
  'standing by',
  'replaced',
  'ended',
  /** For charging preferences, which nobody can state yet. */
  'never chosen',
  'unreadable',
] as const

const EVENT = z.object({ logId: z.string(), seq: z.int(), hash: z.string() })
export const TARIFF_REPORT = z.object({
  tariffId: z.string(),
  state: z.enum(TARIFF_STATES),
  /** In words, with taxes where they are known. */
  text: z.string(),
  /** Where and for whom. */
  for: z.string(),
  from: z.string(),
  until: z.string().optional(),
  currency: z.string(),
  /** The highest price of energy, taxes included. */
  pricePerKwh: z.string(),
  timeZone: z.string().optional(),
  party: z.string().optional(),
  /** As specific, from the same instant, and asking something else; `counts` is the one that is chosen. */
  conflicts: z.array(z.object({ tariffId: z.string(), text: z.string(), counts: z.boolean() })),
  published: z.object({
    ref: EVENT,
    hlc: z.string(),
    effectiveAt: z.int(),
    elements: z.string().optional(),
  }),
})
export const TARIFF_REPORTS = z.array(TARIFF_REPORT)
export type TariffReport = z.infer<typeof TARIFF_REPORT>

const AT = z.object({ at: z.coerce.number().int().min(0).max(8.64e15).optional() })

export function addTariffs(
  server: FastifyInstance,
  { node, clock }: { readonly node: Node; readonly clock: Clock },
): void {
  server.get<{ Querystring: { at?: string } }>('/v1/tariffs', async request => {
    const { at = clock.wallMs() } = check('query', AT, request.query)
    return reportTariffs(node.ledger().view().tariffs, at)
  })
}

export function reportTariffs(tariffs: Tariffs, at: number): readonly TariffReport[] {
  const all = tariffs.all()
  const standing = new Set(tariffs.standing(at))
  /** By id, the newest by then. */
  const newest = new Map<string, Tariff>()
  const ofInstant = new Map<number, readonly Tariff[]>()
  for (const one of all) {
    if (one.effectiveAt <= at && !newest.has(one.tariffId)) newest.set(one.tariffId, one)
    ofInstant.set(one.effectiveAt, [...(ofInstant.get(one.effectiveAt) ?? []), one])
  }
  return all.map(tariff => {
    const { tariffId, currency, pricePerKwh, effectiveAt, elements, terms, ref, hlc } = tariff
    const others = ofInstant.get(effectiveAt) ?? []
    const isCurrent = newest.get(tariffId) === tariff
    return {
      ...{
        tariffId,
        state: stateOf(tariff, { isCurrent, isStanding: standing.has(tariff), at }),
        text: describe(tariff),
      },
      ...{ for: scopeText(tariff), from: isoOf(effectiveAt) },
      ...(terms?.endsAt !== undefined && { until: isoOf(terms.endsAt) }),
      ...{ currency, pricePerKwh },
      ...(terms && { timeZone: terms.timeZone, party: `${terms.countryCode}*${terms.partyId}` }),
      conflicts: rivalsOf(tariff, others, at).map(rival => ({
        ...{ tariffId: rival.tariffId, text: describe(rival) },
        counts: others.indexOf(rival) < others.indexOf(tariff),
      })),
      published: {
        ...{ ref: { logId: ref.logId, seq: ref.seq, hash: ref.hash }, hlc: String(hlc), effectiveAt },
        ...(elements && { elements: Buffer.from(elements).toString('base64') }),
      },
    }
  })
}

/** The same tariffs again, from what a node reported. */
export function tariffsFrom(reports: readonly TariffReport[]): Tariffs {
  const tariffs = createTariffs()
  for (const { tariffId, currency, pricePerKwh, published } of reports) {
    const { ref, hlc, effectiveAt, elements } = published
    tariffs.add({
      ...{ tariffId, currency, pricePerKwh, effectiveAt, hlc: BigInt(hlc) },
      ref: { logId: ref.logId as LogId, seq: ref.seq, hash: ref.hash as EventHash },
      ...(elements !== undefined && { elements: new Uint8Array(Buffer.from(elements, 'base64')) }),
    })
  }
  return tariffs
}

type Standing = { readonly isCurrent: boolean; readonly isStanding: boolean; readonly at: number }

function stateOf(
  { terms, elements, effectiveAt }: Tariff,
  { isCurrent, isStanding, at }: Standing,
): TariffReport['state'] {
  if (elements && !terms) return 'unreadable'
  if (effectiveAt > at) return 'coming'
  if (!isCurrent) return 'replaced'
  if (terms?.endsAt !== undefined && terms.endsAt <= at) return 'ended'
  if (terms?.type?.startsWith('PROFILE_')) return 'never chosen'
  return isStanding ? 'in force' : 'standing by'
}

/** Those that would count as well, were it not for the rule. */
function rivalsOf(tariff: Tariff, ofInstant: readonly Tariff[], at: number): readonly Tariff[] {
  if (!mayCount(tariff, at)) return []
  return ofInstant.filter(other => {
    const isCorrection = other.tariffId === tariff.tariffId && other.ref.logId === tariff.ref.logId
    return !isCorrection && mayCount(other, at) && competes(other, tariff) && !asksTheSame(other, tariff)
  })
}

function mayCount({ terms, elements }: Tariff, at: number): boolean {
  if (!terms) return !elements
  return !terms.type?.startsWith('PROFILE_') && (terms.endsAt === undefined || terms.endsAt > at)
}

function scopeText({ terms }: Tariff): string {
  if (!terms) return 'everywhere'
  const { chargers, zones, connectorTypes, classes } = terms.scope
  const parts = [
    ...(chargers.length > 0 ? [chargers.join(', ')] : []),
    ...(zones.length > 0 ? [`zone ${zones.join(', ')}`] : []),
    ...(connectorTypes.length > 0 ? [connectorTypes.join(', ')] : []),
    ...(classes.length > 0 ? [`cards of class ${classes.join(', ')}`] : []),
    ...(terms.type === 'AD_HOC_PAYMENT' ? ['cards that nobody granted'] : []),
    ...(terms.type?.startsWith('PROFILE_') ? [terms.type] : []),
  ]
  return parts.length > 0 ? parts.join('; ') : 'everywhere'
}
