// A plan as it stands in a file: what shrinking writes and what is kept of a failure that was found. Every field of
// plan.ts, checked when it is read again, since people edit such files too.
import { z } from 'zod'
import { CLOUD_LIES, type Fault, HOSTILE_TRICKS, type Plan, QUIRKS } from '../plan.ts'
import { record } from './reading.ts'

const ms = z.number().min(0)
const signed = z.number()
const rate = z.number().min(0).max(1)
const count = z.int().min(0)
const number = z.int().min(1)
const two = z.tuple([ms, ms]).readonly()
const link = z.tuple([number, number]).readonly()
const groups = z.array(z.array(number).readonly()).readonly()
const quality = record({
  ...{ minDelayMs: ms, maxDelayMs: ms, heavyTailRate: rate, lossRate: rate, duplicateRate: rate },
  ...{ bytesPerS: ms.exactOptional(), bytesPerDay: ms.exactOptional() },
})
const someQuality = record({
  ...{ minDelayMs: ms.exactOptional(), maxDelayMs: ms.exactOptional(), heavyTailRate: rate.exactOptional() },
  ...{ lossRate: rate.exactOptional(), duplicateRate: rate.exactOptional() },
  ...{ bytesPerS: ms.exactOptional(), bytesPerDay: ms.exactOptional() },
})

function fault<const K extends Fault['kind'], S extends z.ZodRawShape>(kind: K, fields: S) {
  return record({ atMs: ms, kind: z.literal(kind), ...fields })
}
const node = { node: number }
const charger = { charger: number }
const FAULT = z.discriminatedUnion('kind', [
  fault('split', { groups, forMs: ms }),
  fault('one-way', { from: number, to: number, forMs: ms }),
  fault('flap', { groups, everyMs: ms, forMs: ms }),
  fault('swizzle', { out: z.array(number).readonly(), back: z.array(number).readonly(), forMs: ms }),
  fault('quality', { quality: someQuality, pair: link.exactOptional(), forMs: ms }),
  fault('slow-reader', { ...node, bytesPerS: ms, forMs: ms }),
  fault('kill', { ...node, downMs: ms }),
  fault('power-cut', { ...node, downMs: ms }),
  fault('power-cut-at', {
    ...{ ...node, operation: count, downMs: ms },
    moment: z.enum(['before', 'during', 'after']),
  }),
  fault('crash-loop', { ...node, times: count, everyMs: ms }),
  fault('wipe', { ...node, downMs: ms }),
  fault('restore', { ...node, ageMs: ms, downMs: ms }),
  fault('clone', { ...node, forMs: ms }),
  fault('stall', { ...node, forMs: ms }),
  fault('disk-full', { ...node, forMs: ms }),
  fault('bit-flip', node),
  fault('lost-write', node),
  fault('misdirected-write', node),
  fault('sync-error', node),
  fault('sync-lies', { ...node, forMs: ms }),
  fault('slow-disk', { ...node, delayMs: ms, forMs: ms }),
  fault('clock-jump', { ...node, byMs: signed }),
  fault('clock-drift', { ...node, ppm: signed }),
  fault('clock-1970', { ...node, forMs: ms }),
  fault('clock-back', { ...node, byMs: signed, downMs: ms }),
  fault('uplink-flaps', { ...node, everyMs: ms, forMs: ms }),
  fault('uplink-lossy', { lossRate: rate, duplicateRate: rate, forMs: ms }),
  fault('cloud-down', { forMs: ms }),
  fault('cloud-failover', { losesMs: ms }),
  fault('cloud-restore', { ageMs: ms }),
  fault('cloud-forgets', { losesMs: ms }),
  fault('cloud-errs', { forMs: ms }),
  fault('cloud-lies', { lie: z.enum(CLOUD_LIES), forMs: ms }),
  fault('uplink-slow', { delayMs: ms, forMs: ms }),
  fault('uplink-rush', {}),
  fault('charger-power-cut', { ...charger, forMs: ms }),
  fault('charger-offline', { ...charger, forMs: ms }),
  fault('charger-moves', charger),
  fault('charger-replays', { ...charger, times: count }),
])

const operatorStep = { atMs: ms, ...node }
const OPERATOR_STEP = z.discriminatedUnion('kind', [
  record({ ...operatorStep, kind: z.literal('revoke'), card: count }),
  record({ ...operatorStep, kind: z.literal('grant'), card: count }),
  record({ ...operatorStep, kind: z.literal('revoke-device'), device: number, sinceMs: signed }),
  record({ ...operatorStep, kind: z.literal('tariff'), pricePerKwh: z.string(), fromMs: signed }),
  record({ ...operatorStep, kind: z.literal('beacon') }),
  record({ ...operatorStep, kind: z.literal('refund'), amount: z.string() }),
  record({
    ...{ ...operatorStep, kind: z.literal('resolve'), amount: z.string() },
    rule: z.enum(['bill-smaller', 'amount', 'waive']),
  }),
])

const CHARGER = record({
  ...{ id: z.string().min(1).max(48), connectors: number, nodes: z.array(number).min(1) },
  ...{ meterEveryMs: ms, registerWh: count, quirks: z.array(z.enum(QUIRKS)) },
  ocpp: z.literal('2.0.1').exactOptional(),
  list: record({ maxLength: number, perMessage: number, forgets: z.boolean() }).exactOptional(),
})
const CARD = record({
  idTag: z.string().min(1).max(20),
  kind: z.enum(['good', 'revoked', 'expired', 'unknown']),
})
const VISIT = record({
  ...{ atMs: ms, charger: number, connector: number, card: count, stayMs: ms },
  battery: record({
    ...{ capacityWh: z.number().positive(), startSoc: rate },
    ...{ maxPowerW: z.number().positive(), taperFromSoc: rate },
  }),
})
const UPLINK = record({
  ...{ ...node, windows: z.array(two), delayMs: two, lossRate: rate, duplicateRate: rate },
  bytesPerDay: ms.exactOptional(),
  terms: record({
    priority: number,
    budgetBytes: ms.exactOptional(),
    windows: z.array(record({ fromMinute: count, untilMinute: count })).readonly(),
    costPerMb: z.string().exactOptional(),
  }).exactOptional(),
})

// Complete by the compiler's word: a new field of a plan is missing here until it is written and read.
const FIELDS = {
  ...{ scenario: z.string(), seed: z.int(), durationMs: ms, quietMs: ms, startsAt: signed },
  ...{ signer: z.enum(['ed25519', 'keyed-hash']), cloud: z.enum(['memory', 'postgres']) },
  ...{ nodes: number, links: z.array(link), quality, syncMs: two },
  ...{ chargers: z.array(CHARGER), cards: z.array(CARD), pricePerKwh: z.string() },
  byTerms: z.boolean().exactOptional(),
  offlineMaxAgeS: ms.exactOptional(),
  capWhPerDay: ms.exactOptional(),
  localLists: z.boolean().exactOptional(),
  retentionDays: count.exactOptional(),
  operatorVia: z.literal('cloud').exactOptional(),
  ...{ visits: z.array(VISIT), operator: z.array(OPERATOR_STEP), uplinks: z.array(UPLINK) },
  faults: z.array(FAULT),
  hostile: z.array(record({ ...node, tricks: z.array(z.enum(HOSTILE_TRICKS)) })),
} satisfies Record<keyof Plan, z.ZodType>

export const PLAN: z.ZodType<Plan> = record(FIELDS).superRefine((plan, context) => {
  for (const { path, allowed } of misfits(plan)) context.addIssue({ code: 'custom', path, message: allowed })
})

type Misfit = { readonly path: (string | number)[]; readonly allowed: string }

/** Numbers of nodes, chargers and cards that the plan does not have, and faults that are not in order of time. */
function misfits(plan: Plan): readonly Misfit[] {
  const found: Misfit[] = []
  const refuse = (path: (string | number)[], allowed: string): void => void found.push({ path, allowed })
  const upTo = (path: (string | number)[], value: number, last: number): void => {
    if (value > last) refuse(path, `at most ${last}, which is all that the plan has`)
  }
  plan.links.forEach((pair, i) => {
    for (const end of [0, 1] as const) upTo(['links', i, end], pair[end], plan.nodes)
  })
  plan.chargers.forEach((one, i) => {
    for (const [j, number] of one.nodes.entries()) upTo(['chargers', i, 'nodes', j], number, plan.nodes)
  })
  plan.visits.forEach((visit, i) => {
    upTo(['visits', i, 'charger'], visit.charger, plan.chargers.length)
    upTo(['visits', i, 'connector'], visit.connector, plan.chargers[visit.charger - 1]?.connectors ?? 0)
    upTo(['visits', i, 'card'], visit.card, plan.cards.length - 1)
  })
  for (const list of ['operator', 'uplinks', 'hostile'] as const)
    plan[list].forEach((one, i) => {
      upTo([list, i, 'node'], one.node, plan.nodes)
      if ('device' in one) upTo([list, i, 'device'], one.device, plan.nodes)
      if ('card' in one) upTo([list, i, 'card'], one.card, plan.cards.length - 1)
    })
  plan.faults.forEach((step, i) => {
    if ('node' in step) upTo(['faults', i, 'node'], step.node, plan.nodes)
    if ('charger' in step) upTo(['faults', i, 'charger'], step.charger, plan.chargers.length)
    if (step.atMs < (plan.faults[i - 1]?.atMs ?? 0)) refuse(['faults', i, 'atMs'], 'faults in order of time')
  })
  return found
}

/** The lines of a file: a row for each element of a list, so that a difference of two plans can be read. */
export function planLines(plan: Plan): string {
  return Object.entries(plan)
    .map(([key, value]) => {
      if (!Array.isArray(value) || value.length === 0) return `  ${key}: ${JSON.stringify(value)}`
      return `  ${key}:\n${value.map(row => `    - ${JSON.stringify(row)}`).join('\n')}`
    })
    .join('\n')
}
