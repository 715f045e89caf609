// The rules of the house (tidy-rules.ts): what may import what, where each library lives, what decisions may not ask
// for, and how long and how named a file may be. Every message says what to do instead. Type-only imports (`import type`)
// are no part of the cycle check, since nothing is left of them at run time; every other rule sees them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import {
  BANNED_CALLS,
  BANNED_MODULES,
  DOORS,
  HEIGHT,
  LAYERS,
  MARKED,
  MAX_LINES,
  MAY_WAIT,
  NAMELESS,
  UPWARD_TYPES,
  VIRTUAL,
  VIRTUAL_WIRING,
  WAITING,
  WORKPLACES,
} from './tidy-rules.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

type Import = { readonly from: string; readonly name: string; readonly typeOnly: boolean }

function filesIn(folder: string, ext = '.ts'): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map(name => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter(name => name.endsWith(ext) && !name.endsWith('.d.ts'))
    .sort()
}

const texts = new Map<string, string>()
function textOf(file: string): string {
  const held = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8')
  texts.set(file, held)
  return held
}

/** Code without its comments, line by line as before. */
function codeOf(file: string): string {
  return textOf(file)
    .replace(/\/\*[\s\S]*?\*\//g, comment => comment.replace(/[^\n]/g, ''))
    .replace(/(^|[^:'"`])\/\/.*$/gm, '$1')
}

const STATIC = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?'([^']+)'/g
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g

function importsOf(file: string): readonly Import[] {
  const code = codeOf(file)
  const found: Import[] = []
  for (const [, type, name] of code.matchAll(STATIC))
    found.push({ from: file, name: name ?? '', typeOnly: !!type })
  for (const [, name] of code.matchAll(DYNAMIC)) found.push({ from: file, name: name ?? '', typeOnly: false })
  return found.map(one => (one.name.startsWith('.') ? { ...one, name: join(file, '..', one.name) } : one))
}

function layerOf(file: string): string | undefined {
  return LAYERS.find(layer => layer.holds.some(prefix => file.startsWith(prefix)))?.name
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

const src = filesIn('src')
const simulations = filesIn('simulations')
const tests = filesIn('test').filter(file => !file.startsWith('test/tidy'))
const imports = src.flatMap(importsOf)
const inside = imports.filter(one => one.name.startsWith('src/'))
const outside = imports.filter(one => !one.name.startsWith('src/') && !one.name.startsWith('node:'))

describe('the reading of files', () => {
  it('sees the imports of a file, and comments for what they are', () => {
    expect(importsOf('src/main.ts').map(one => one.name)).toEqual(['src/runtime.ts', 'src/cli/program.ts'])
    expect(imports.length).toBeGreaterThan(200)
    expect(imports.some(one => one.typeOnly)).toBe(true)
    expect(codeOf('src/main.ts')).not.toContain('door')
  })
})

describe('layers', () => {
  it('have a place for every file', () => {
    const lost = src.filter(file => layerOf(file) === undefined)
    expect(lost, 'say in LAYERS where these belong').toEqual([])
  })

  it('point downwards only', () => {
    const allowed = (one: Import): boolean =>
      one.typeOnly && UPWARD_TYPES.some(rule => one.from.startsWith(rule.from) && rule.to.test(one.name))
    const upward = inside
      .filter(
        one =>
          HEIGHT.indexOf(layerOf(one.from) ?? '') < HEIGHT.indexOf(layerOf(one.name) ?? '') && !allowed(one),
      )
      .map(one => `${one.from} (${layerOf(one.from)}) imports ${one.name} (${layerOf(one.name)})`)
    expect(upward, 'take what you need as an argument, or move the decision into the wiring').toEqual([])
  })

  it('make no decision folder import another one', () => {
    const folder = (file: string): string => file.split('/').slice(0, 2).join('/')
    const across = inside
      .filter(one => layerOf(one.from) === 'decisions' && layerOf(one.name) === 'decisions')
      .filter(one => folder(one.from) !== folder(one.name))
      .map(one => `${one.from} imports ${one.name}`)
    expect(across, 'decisions meet in the wiring (view.ts, serve.ts), or through events').toEqual([])
  })
})

describe('libraries', () => {
  const doorOf = (name: string): readonly string[] | undefined => {
    const bare = name
      .split('/')
      .slice(0, name.startsWith('@') ? 2 : 1)
      .join('/')
    return DOORS[bare] ?? DOORS[`${bare.split('/')[0]}/*`]
  }

  it('have one door each', () => {
    const strays = outside
      .filter(one => !doorOf(one.name)?.some(prefix => one.from.startsWith(prefix)))
      .map(
        one =>
          `${one.from} imports ${one.name}, whose door is ${doorOf(one.name)?.join(' or ') ?? 'not in DOORS'}`,
      )
    expect(strays, 'call the file behind the door').toEqual([])
  })

  it('are all in the list of doors', () => {
    const { dependencies } = JSON.parse(textOf('package.json')) as { dependencies: Record<string, string> }
    const unlisted = Object.keys(dependencies).filter(name => doorOf(name) === undefined)
    expect(unlisted, 'say in DOORS where they may be used').toEqual([])
  })
})

describe('what runs under virtual time', () => {
  const virtual = src.filter(file => VIRTUAL.includes(layerOf(file) ?? '') || VIRTUAL_WIRING.includes(file))

  it('asks for no clock, dice, timer or environment', () => {
    const offences = virtual.flatMap(file =>
      BANNED_CALLS.flatMap(({ call, instead }) => {
        const code = codeOf(file)
        const at = code.search(call)
        return at < 0 ? [] : [`${file}:${lineOf(code, at)} ${call.source}: ${instead}`]
      }),
    )
    expect(offences).toEqual([])
  })

  it('opens no file, socket or process', () => {
    const offences = imports
      .filter(one => virtual.includes(one.from) && BANNED_MODULES.test(one.name))
      .map(one => `${one.from} imports ${one.name}`)
    expect(offences, 'use a port (src/ports.ts)').toEqual([])
  })
})

describe('files', () => {
  it('import one another without a circle', () => {
    const next = new Map(src.map(file => [file, inside.filter(one => one.from === file && !one.typeOnly)]))
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      if (path.includes(file) || done.has(file)) return
      for (const one of next.get(file) ?? []) visit(one.name, [...path, file])
      done.add(file)
    }
    for (const file of src) visit(file, [])
    expect(circles, 'move what both need into a file of its own').toEqual([])
  })

  it(`have at most ${MAX_LINES} lines`, () => {
    const long = [...src, ...simulations]
      .map(file => ({ file, lines: textOf(file).trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ file, lines }) => `${file}: ${lines} lines`)
    expect(long, 'find the second noun in it and give it a file').toEqual([])
  })

  it('are named after a thing or a verb of the field', () => {
    const nameless = [...src, ...simulations].filter(file => NAMELESS.test(file))
    expect(nameless, 'name what it owns; import the file itself instead of a barrel').toEqual([])
  })
})

describe('tests', () => {
  it('are all run', () => {
    const marked = tests.filter(file => MARKED.test(codeOf(file)))
    expect(marked, 'repair it, or delete it and say so').toEqual([])
  })

  it('do not wait outside integration', () => {
    const waiting = tests.filter(
      file => !MAY_WAIT.some(place => file.startsWith(place)) && WAITING.test(codeOf(file)),
    )
    expect(waiting, 'move the virtual clock, or wait for a condition in test/integration').toEqual([])
  })
})

describe('what is published', () => {
  it('has one version', () => {
    const { version } = JSON.parse(textOf('package.json')) as { version: string }
    expect(/SW_VERSION = '([^']+)'/.exec(textOf('src/version.ts'))?.[1], 'src/version.ts').toBe(version)
    const lock = JSON.parse(textOf('package-lock.json')) as { version: string }
    expect(lock.version, 'package-lock.json').toBe(version)
  })

  it('names no folder of somebody’s machine', () => {
    const places = ['src', 'simulations', 'bootstrap', 'test']
    const named = [
      ...places
        .flatMap(place => filesIn(place, ''))
        .filter(file => /\.(ts|mjs|md|json|ya?ml|service)$|Containerfile$/.test(file)),
      ...readdirSync(ROOT).filter(name => /\.(md|json|ts)$/.test(name)),
    ]
      .filter(file => !file.startsWith('test/tidy'))
      .flatMap(file => {
        const at = textOf(file).search(WORKPLACES)
        return at < 0 ? [] : [`${file}:${lineOf(textOf(file), at + 1)}`]
      })
    expect(
      named,
      'write a path relative to the project, or one of an installed system such as /var/lib',
    ).toEqual([])
  })

  it('names no package registry in the lockfile', () => {
    const lines = textOf('package-lock.json').split('\n')
    const fixed = lines.filter(line => line.includes('"resolved": "http')).slice(0, 3)
    expect(fixed, 'omit-lockfile-registry-resolved=true in .npmrc, then npm install').toEqual([])
  })
})
