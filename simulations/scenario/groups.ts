// Which nodes or chargers a word means: `7`, `{1-20}`, `1-3, 9`, a group's name, `all`, `any`, `any 3`, `20%`; and how
// a split is written, `{1-20}|{21-50}`. A node in two groups is the bridge between them; a node in none is alone.
import type { Dice } from '../dice.ts'
import { drawnWhole, exactly, type Range } from './range.ts'
import { field, parseRange } from './reading.ts'

export type Members =
  | { readonly kind: 'all' }
  | { readonly kind: 'list'; readonly numbers: readonly number[] }
  /** So many, drawn by the seed. */
  | { readonly kind: 'any'; readonly count: Range }
  | { readonly kind: 'share'; readonly share: number }

/** `others` is every node that stands in no other group. */
export type Groups = readonly (readonly number[] | 'others')[]

export type Crowd = {
  readonly noun: 'node' | 'charger'
  readonly count: number
  readonly names: ReadonlyMap<string, readonly number[]>
}

export const ANY: Members = { kind: 'any', count: exactly(1) }

/** `{1-3, 9, library}` with or without braces, sorted; undefined when any of it is unknown or out of bounds. */
export function parseList(text: string, crowd: Crowd): readonly number[] | undefined {
  const inside = /^\{(.*)\}$/.exec(text.trim())?.[1] ?? text
  const numbers = new Set<number>()
  for (const part of inside.split(',').map(one => one.trim())) {
    const named = crowd.names.get(part)
    const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? []
    const isInside = Number(from) >= 1 && Number(from) <= Number(to) && Number(to) <= crowd.count
    if (named === undefined && !isInside) return undefined
    for (const number of named ?? []) numbers.add(number)
    for (let number = Number(from); number <= Number(to); number++) numbers.add(number)
  }
  return [...numbers].sort((a, b) => a - b)
}

export function parseMembers(value: unknown, crowd: Crowd): Members | undefined {
  // Without quotes YAML takes `{1-3, 9}` for an object of names without values.
  if (typeof value === 'object' && value !== null && Object.values(value).every(one => one === null))
    return parseMembers(Object.keys(value).join(','), crowd)
  if (typeof value !== 'string' && typeof value !== 'number') return undefined
  const text = String(value).trim()
  if (text === 'all') return { kind: 'all' }
  if (text === 'any') return ANY
  if (text.startsWith('any ')) {
    const count = parseRange(text.slice(4), one => (/^\d{1,4}$/.test(one) ? Number(one) : undefined))
    return count && { kind: 'any', count }
  }
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1]
  if (percent !== undefined)
    return Number(percent) <= 100 ? { kind: 'share', share: Number(percent) / 100 } : undefined
  const numbers = parseList(text, crowd)
  return numbers && { kind: 'list', numbers }
}

export function members(crowd: Crowd) {
  const examples = crowd.names.size === 0 ? '' : `, ${[...crowd.names.keys()].join(', ')}`
  const allowed = `${crowd.noun}s from 1 to ${crowd.count}: all, any, any 3, 20%, 1, "{1-${crowd.count}}"${examples}`
  return field(allowed, value => parseMembers(value, crowd))
}

export function groups(crowd: Crowd) {
  const names = [...crowd.names.keys(), 'others'].join(', ')
  const allowed = `two or more groups of the nodes from 1 to ${crowd.count}, such as "{1}|{2-3}" (${names})`
  return field(allowed, (value): Groups | undefined => {
    if (typeof value !== 'string') return undefined
    const parts = value.split('|').map(part => part.trim())
    const read = parts.map(part => (/^\{?others\}?$/.test(part) ? 'others' : parseList(part, crowd)))
    const known = read.filter(part => part !== undefined)
    return known.length === parts.length && known.length > 1 ? known : undefined
  })
}

/** `3 -> 7` or `3 - 7`. */
export function pair(crowd: Crowd, arrow: '->' | '-') {
  const allowed = `two different nodes from 1 to ${crowd.count}, such as "1 ${arrow} 2", or any`
  return field(allowed, (value): readonly [number, number] | 'any' | undefined => {
    if (value === 'any') return value
    const [, from, to] = /^\{?(\d+)\}?\s*->?\s*\{?(\d+)\}?$/.exec(String(value)) ?? []
    const isInside = (text: string | undefined): boolean => Number(text) >= 1 && Number(text) <= crowd.count
    if (!isInside(from) || !isInside(to) || from === to) return undefined
    return String(value).includes('->') === (arrow === '->') ? [Number(from), Number(to)] : undefined
  })
}

/** Those of `from` that are meant, in rising order. Numbers that are not in `from` are left out. */
export function chosen(set: Members, from: readonly number[], dice: Dice): readonly number[] {
  const some = (count: number): readonly number[] =>
    dice
      .shuffled(from)
      .slice(0, count)
      .sort((a, b) => a - b)
  switch (set.kind) {
    case 'all':
      return from
    case 'list':
      return from.filter(number => set.numbers.includes(number))
    case 'any':
      return some(drawnWhole(set.count, dice))
    case 'share':
      return some(Math.round(set.share * from.length))
  }
}

export function chosenGroups(set: Groups, nodes: number): readonly (readonly number[])[] {
  const named = new Set(set.flatMap(group => (group === 'others' ? [] : group)))
  const all = Array.from({ length: nodes }, (_, i) => i + 1)
  return set
    .map(group => all.filter(node => (group === 'others' ? !named.has(node) : group.includes(node))))
    .filter(group => group.length > 0)
}
