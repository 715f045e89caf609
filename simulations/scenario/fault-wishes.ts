// Reads what a scenario says of faults: the random ones (`kill: 2 per node-day`) and those of the timeline (`at: 20m`,
// one word, its figures). A wish is not yet a fault: whom it hits and how hard is drawn later.
import { z } from 'zod'
import {
  DIRECTIONS,
  FAULT_WORDS,
  type FaultWord,
  LIES,
  MOMENTS,
  PARAMS,
  type Param,
  SHAPES,
  type Shape,
  WORDS,
} from './fault-words.ts'
import { type Crowd, type Groups, groups, type Members, members, pair } from './groups.ts'
import type { Range } from './range.ts'
import * as read from './reading.ts'

export type Aim =
  | { readonly kind: 'drawn' }
  | { readonly kind: 'members'; readonly members: Members }
  | { readonly kind: 'groups'; readonly groups: Groups }
  | { readonly kind: 'pair'; readonly pair: readonly [number, number] }
  | { readonly kind: 'all-links' }

export type Wish = {
  readonly word: FaultWord
  readonly aim: Aim
  readonly params: Readonly<Partial<Record<Param, Range>>>
  readonly shapes: readonly Shape[]
  readonly moments: readonly (typeof MOMENTS)[number][]
  /** None: as the sign says, or either way where no figure is given. */
  readonly directions: readonly (typeof DIRECTIONS)[number][]
  readonly lies: readonly (typeof LIES)[number][]
}
export type RandomWish = { readonly wish: Wish; readonly often: read.Often }
export type TimedWish = { readonly wish: Wish; readonly at: Range }

export type Site = { readonly nodes: Crowd; readonly chargers: Crowd; readonly maxDurationMs: number }

const PARAM_FIELDS = {
  for: read.duration(read.SECOND, 2 * read.YEAR),
  down: read.duration(read.SECOND, 2 * read.YEAR),
  every: read.duration(100, 30 * read.DAY),
  age: read.duration(0, 2 * read.YEAR),
  by: read.duration(-60 * read.YEAR, 60 * read.YEAR),
  delay: read.duration(0, read.HOUR),
  loses: read.duration(0, 30 * read.DAY),
  times: read.whole(1, 1000),
  operation: read.whole(1, 100_000),
  ppm: read.whole(-100_000, 100_000),
  loss: read.share(),
  duplicates: read.share(),
  speed: read.speed(),
}

type Field<T> = { readonly schema: z.ZodType<T>; readonly name: string }
type Entry = Readonly<Record<string, unknown>>
type Context = z.core.$RefinementCtx<unknown>

/** A field of an entry, or undefined when it is not there or was complained about. */
function take<T>(entry: Entry, { schema, name }: Field<T>, context: Context): T | undefined {
  if (!(name in entry)) return undefined
  const result = schema.safeParse(entry[name])
  if (result.success) return result.data
  for (const { message, path } of result.error.issues)
    context.addIssue({ code: 'custom', message, path: [name, ...path] })
  return undefined
}

function refuseUnknown(entry: Entry, known: readonly string[], context: Context): void {
  const keys = Object.keys(entry).filter(key => !known.includes(key))
  if (keys.length === 0) return
  context.addIssue({ code: 'unrecognized_keys', keys, message: read.fieldsAllowed(known), input: entry })
}

function takeParams(entry: Entry, word: FaultWord, context: Context): Wish['params'] {
  const params: Partial<Record<Param, Range>> = {}
  for (const name of PARAMS) {
    if (WORDS[word].params[name] === undefined) continue
    const range = take(entry, { schema: PARAM_FIELDS[name], name }, context)
    if (range !== undefined) params[name] = range
  }
  return params
}

const CHOICES: Readonly<Partial<Record<FaultWord, string>>> = {
  split: 'shapes',
  flap: 'shapes',
  'power-cut-at': 'moments',
  'clock-jump': 'directions',
  'cloud-lies': 'lies',
}

function takeChoices(entry: Entry, word: FaultWord, context: Context) {
  const said = <const W extends string>(name: string, words: readonly W[]): readonly W[] | undefined =>
    CHOICES[word] === name ? take(entry, { schema: read.listOf(words), name }, context) : undefined
  return {
    shapes: said('shapes', SHAPES) ?? SHAPES,
    moments: said('moments', MOMENTS) ?? MOMENTS,
    directions: said('directions', DIRECTIONS) ?? [],
    lies: said('lies', LIES) ?? LIES,
  }
}

/** Names of the fields of a wish, without that of its target. */
function fieldNames(word: FaultWord): readonly string[] {
  const choice = CHOICES[word]
  return [...PARAMS.filter(name => WORDS[word].params[name]), ...(choice === undefined ? [] : [choice])]
}

/** `kill: 2 per node-day`, or with figures: `kill: { often: 2 per node-day, nodes: any 2, down: 1m..5m }`. */
export function randomFault(word: FaultWord, site: Site) {
  return z.unknown().transform((value, context): RandomWish => {
    const entry: Entry = isEntry(value) ? value : { often: value }
    const { target } = WORDS[word]
    const whom =
      target === 'chargers' ? 'chargers' : target === 'nodes' || target === 'uplinks' ? 'nodes' : undefined
    refuseUnknown(entry, ['often', ...(whom === undefined ? [] : [whom]), ...fieldNames(word)], context)
    const crowd = target === 'chargers' ? site.chargers : site.nodes
    const set = whom === undefined ? undefined : take(entry, { schema: members(crowd), name: whom }, context)
    const often = take(entry, { schema: read.often(), name: 'often' }, context)
    const aim: Aim = set === undefined ? { kind: 'drawn' } : { kind: 'members', members: set }
    const wish = { word, aim, params: takeParams(entry, word, context), ...takeChoices(entry, word, context) }
    return { wish, often: often ?? read.parseOften(WORDS[word].often) ?? read.NEVER }
  })
}

/** `at: 20m`, one word of a fault with its target, and its figures. */
export function timedFault(site: Site) {
  return z.unknown().transform((value, context): TimedWish => {
    const entry: Entry = isEntry(value) ? value : {}
    const words = FAULT_WORDS.filter(word => word in entry)
    const [word] = words
    if (word === undefined || words.length > 1) return refuseWords(entry, words, context)
    refuseUnknown(entry, ['at', word, ...fieldNames(word)], context)
    const at = take(entry, { schema: read.duration(0, site.maxDurationMs), name: 'at' }, context)
    if (!('at' in entry))
      context.addIssue({ code: 'custom', path: ['at'], message: 'a duration such as 20m' })
    const { aim, params } = takeTarget(entry, { word, site, context })
    const choices = takeChoices(entry, word, context)
    const figures = { ...takeParams(entry, word, context), ...params }
    return { at: at ?? { min: 0, max: 0 }, wish: { word, aim, params: figures, ...choices } }
  })
}

function refuseWords(entry: Entry, words: readonly string[], context: Context): never {
  if (words.length > 1) {
    const message = `one fault an entry, not ${words.join(' and ')}`
    context.addIssue({ code: 'custom', message, path: [words[1] ?? ''] })
    return z.NEVER
  }
  const others = Object.keys(entry).filter(key => key !== 'at' && !PARAMS.some(name => name === key))
  const message = read.fieldsAllowed(['at', ...FAULT_WORDS, ...PARAMS])
  if (others.length > 0) context.addIssue({ code: 'unrecognized_keys', keys: others, message, input: entry })
  else context.addIssue({ code: 'custom', message: `at, and one fault: ${FAULT_WORDS.join(', ')}` })
  return z.NEVER
}

type Here = { readonly word: FaultWord; readonly site: Site; readonly context: Context }

function takeTarget(entry: Entry, { word, site, context }: Here): Pick<Wish, 'aim' | 'params'> {
  const of = <T>(schema: z.ZodType<T>): T | undefined => take(entry, { schema, name: word }, context)
  const drawnAim: Aim = { kind: 'drawn' }
  const { target } = WORDS[word]
  switch (target) {
    case 'groups': {
      if (entry[word] === 'any') return { aim: drawnAim, params: {} }
      const set = of(groups(site.nodes))
      return { aim: set ? { kind: 'groups', groups: set } : drawnAim, params: {} }
    }
    case 'pair': {
      const two = of(pair(site.nodes, '->'))
      return { aim: two && two !== 'any' ? { kind: 'pair', pair: two } : drawnAim, params: {} }
    }
    case 'links': {
      if (entry[word] === 'all') return { aim: { kind: 'all-links' }, params: {} }
      const two = of(pair(site.nodes, '-'))
      return { aim: two && two !== 'any' ? { kind: 'pair', pair: two } : drawnAim, params: {} }
    }
    case 'nodes':
    case 'uplinks':
    case 'chargers': {
      const set = of(members(target === 'chargers' ? site.chargers : site.nodes))
      return { aim: set ? { kind: 'members', members: set } : drawnAim, params: {} }
    }
    case 'none':
      return { aim: drawnAim, params: {} }
    default: {
      const range = of(PARAM_FIELDS[target])
      return { aim: drawnAim, params: range === undefined ? {} : { [target]: range } }
    }
  }
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
