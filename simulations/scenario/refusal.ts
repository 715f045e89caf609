// What is wrong in a YAML file that a person wrote: file, line, field, the value found and what is allowed; for an
// unknown field also the known one that looks most like it. All at once, up to ten.
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { MeshError } from '../../src/errors.ts'
import { fieldsIn } from './reading.ts'

const MAX_SHOWN = 10

export type YamlFile = {
  readonly file: string
  readonly value: unknown
  readonly document: Document
  readonly lines: LineCounter
}

export function readYaml(file: string, text: string): YamlFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors[0]
  if (broken) {
    const { line } = lines.linePos(broken.pos[0])
    const hint = /[{|]/.test(text.split('\n')[line - 1] ?? '') ? ' (groups need quotes: "{1-3}|{4-9}")' : ''
    throw new MeshError('CONFIG_INVALID', `${file}:${line}: not YAML: ${broken.message}${hint}`)
  }
  try {
    return { file, value: document.toJS({ maxAliasCount: 0 }), document, lines }
  } catch (error) {
    // The library throws this for an alias, which here could only be a trap.
    if (!(error instanceof ReferenceError)) throw error
    throw new MeshError('CONFIG_INVALID', `${file}: write values out, without an alias (*name)`, error)
  }
}

/** Parses what the file says, or throws CONFIG_INVALID with a line for each fault. */
export function accept<S extends z.ZodType>(yaml: YamlFile, schema: S): z.infer<S> {
  const result = schema.safeParse(yaml.value)
  if (result.success) return result.data
  throw refused(yaml, result.error.issues)
}

function refused(yaml: YamlFile, issues: readonly z.core.$ZodIssue[]): MeshError {
  const faults = issues
    .flatMap(issue => faultsOf(yaml, issue))
    .sort((a, b) => a.line - b.line || (a.text < b.text ? -1 : 1))
  const shown = faults.slice(0, MAX_SHOWN).map(fault => `${yaml.file}:${fault.line}: ${fault.text}`)
  const more = faults.length > MAX_SHOWN ? [`and ${faults.length - MAX_SHOWN} more`] : []
  return new MeshError('CONFIG_INVALID', [...shown, ...more].join('\n'))
}

type FaultFound = { readonly line: number; readonly text: string }

function faultsOf(yaml: YamlFile, issue: z.core.$ZodIssue): readonly FaultFound[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsIn(issue.message)
    return issue.keys.map(key => {
      const guess = nearest(key, known)
      const meant = guess === undefined ? '' : `did you mean ${guess}? `
      const text = `${[...path, key].join('.')}: unknown field; ${meant}allowed: ${known.join(', ')}`
      return { line: lineOf(yaml, [...path, key]), text }
    })
  }
  const { found, at } = walk(yaml.value, path)
  const allowed = issue.message.replace(/^Invalid input: /, '')
  const text = `${at.join('.') || '(whole file)'} = ${show(found)}: allowed: ${allowed}`
  return [{ line: lineOf(yaml, at), text }]
}

/** The value at a path; a scalar that stands for an object (`kill: 2 per day`) is where the path ends. */
function walk(value: unknown, path: readonly string[]): { found: unknown; at: readonly string[] } {
  let found = value
  for (const [depth, step] of path.entries()) {
    if (typeof found !== 'object' || found === null) {
      if (found !== undefined) return { found, at: path.slice(0, depth) }
      return { found, at: path }
    }
    found = Reflect.get(found, step)
  }
  return { found, at: path }
}

/** The line of a field's name, or of what it should stand in. */
function lineOf({ document, lines }: YamlFile, path: readonly string[]): number {
  let here: unknown = document.contents
  let offset = isNode(here) ? (here.range?.[0] ?? 0) : 0
  for (const step of path) {
    const pair = isMap(here)
      ? here.items.find(item => isScalar(item.key) && String(item.key.value) === step)
      : undefined
    const next: unknown = pair
      ? pair.value
      : isNode(here) && 'get' in here
        ? elementOf(here, step)
        : undefined
    if (isPair(pair) && isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset
    else if (isNode(next)) offset = next.range?.[0] ?? offset
    if (next === undefined || next === null) break
    here = next
  }
  return lines.linePos(offset).line
}

function elementOf(collection: object, step: string): unknown {
  const items: unknown = Reflect.get(collection, 'items')
  return Array.isArray(items) ? items[Number(step)] : undefined
}

function show(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** The word that differs by the fewest letters, when these are few. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(word.length / 3))
  let best: { readonly word: string; readonly distance: number } | undefined
  for (const one of known) {
    const distance = lettersBetween(word.toLowerCase(), one.toLowerCase())
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { word: one, distance }
  }
  return best?.word
}

/** Levenshtein's distance. */
function lettersBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
