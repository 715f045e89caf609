// What a scenario says of ways to the cloud: whose, when they are open, how good they are, and on what terms a node may use them.
import { z } from 'zod'
import type { UplinkTerms } from '../../src/ports.ts'
import type { Site } from './fault-wishes.ts'
import { members } from './groups.ts'
import { exactly, type Range } from './range.ts'
import * as read from './reading.ts'

export const MAX_DURATION_MS = 2 * read.YEAR

type Hours = UplinkTerms['windows'][number]

/** `last 30m`, `1h..2h`, `3h..end`. */
export type Window =
  | { readonly kind: 'window'; readonly fromMs: number; readonly untilMs: number }
  | { readonly kind: 'last'; readonly forMs: number }
export type When =
  | { readonly kind: 'windows'; readonly windows: readonly Window[] }
  | { readonly kind: 'every'; readonly every: Range; readonly for: Range }

const ALWAYS: When = { kind: 'windows', windows: [{ kind: 'window', fromMs: 0, untilMs: MAX_DURATION_MS }] }

function parseWindow(value: unknown): Window | undefined {
  const text = String(value).trim()
  const forMs = read.parseDuration(/^last (\S+)$/.exec(text)?.[1] ?? '')
  if (forMs !== undefined) return { kind: 'last', forMs }
  const range = read.parseRange(text.replace(/\.\.\s*end$/, `..${MAX_DURATION_MS}ms`), read.parseDuration)
  return range && range.min >= 0 && range.max > range.min
    ? { kind: 'window', fromMs: range.min, untilMs: range.max }
    : undefined
}

function parseWhen(value: unknown): When | undefined {
  if (value === 'always') return ALWAYS
  if (value === 'never') return { kind: 'windows', windows: [] }
  const [, every, lasting] = /^every (\S+) for (\S+)$/.exec(String(value)) ?? []
  if (every !== undefined) {
    const [pause, open] = [
      read.parseRange(every, read.parseDuration),
      read.parseRange(lasting, read.parseDuration),
    ]
    const isUsable = pause && open && pause.min >= read.SECOND && open.min > 0 && open.max <= pause.min
    return isUsable ? { kind: 'every', every: pause, for: open } : undefined
  }
  const windows = (Array.isArray(value) ? value : [value]).map(parseWindow)
  const known = windows.filter(one => one !== undefined)
  return known.length === windows.length ? { kind: 'windows', windows: known } : undefined
}

const WHEN = read.field(
  'always, never, every 1h for 5m (open shorter than the pause), last 30m, or windows such as [1h..2h, 3h..end]',
  parseWhen,
)

const HOURS = read.field('hours of UTC such as 15:00-16:30', (value): Hours | undefined => {
  const [, fromHour, fromMinute, untilHour, untilMinute] =
    /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(String(value)) ?? []
  if (fromHour === undefined) return undefined
  return {
    fromMinute: Number(fromHour) * 60 + Number(fromMinute),
    untilMinute: Number(untilHour) * 60 + Number(untilMinute),
  }
})

export function uplinks(site: Site) {
  return z.array(
    read.record({
      nodes: members(site.nodes),
      when: WHEN.default(ALWAYS),
      /** One node at a time has it, another each time: a van that drives by. */
      roams: z.boolean({ error: 'true or false' }).default(false),
      delay: read.duration(0, read.MINUTE).default({ min: 30, max: 200 }),
      loss: read.share().default(exactly(0)),
      duplicates: read.share().default(exactly(0)),
      budget: read.budget().optional(),
      /** What the node is told of it: its place among the others, what it may cost a day, and at which hours (uplink add). */
      priority: read.whole(1, 100).optional(),
      allowance: read.budget().optional(),
      hours: z.array(HOURS, { error: 'a list of hours such as 15:00-16:30' }).optional(),
    }),
    { error: 'a list of {nodes, when, ...}' },
  )
}
