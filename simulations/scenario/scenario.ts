// Scenarios by name or path: where they lie, what they say of themselves, and their text read into what a seed draws from.
// A file either describes a site (scenario-form.ts) or holds one plan as it was drawn.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MeshError } from '../../src/errors.ts'
import type { Plan } from '../plan.ts'
import { planLines } from './plan-form.ts'
import { accept, nearest, readYaml } from './refusal.ts'
import { FIXED_FORM, type ScenarioForm, scenarioForm, siteAhead } from './scenario-form.ts'

export type Scenario =
  | ({ readonly kind: 'drawn'; readonly name: string } & Omit<ScenarioForm, 'name'>)
  | { readonly kind: 'fixed'; readonly name: string; readonly shows: string; readonly plan: Plan }

export type ScenarioEntry = { readonly name: string; readonly shows: string; readonly file: string }

/** Throws MeshError CONFIG_INVALID that names file, line, field, value and what is allowed, of up to ten faults. */
export function readScenario(text: string, fileName: string): Scenario {
  const yaml = readYaml(fileName, text)
  const { value } = yaml
  const ownName = basename(fileName).replace(/\.ya?ml$/, '')
  if (typeof value === 'object' && value !== null && 'plan' in value) {
    const { name = ownName, shows, plan } = accept(yaml, FIXED_FORM)
    return { kind: 'fixed', name, shows, plan }
  }
  const form = accept(yaml, scenarioForm(siteAhead(value)))
  return { ...form, kind: 'drawn', name: form.name ?? ownName }
}

/** A name such as `stadium`, or a path such as `./my-site.yaml`. */
export function findScenario(nameOrPath: string): Scenario {
  if (/[/\\]|\.ya?ml$/.test(nameOrPath)) {
    if (existsSync(nameOrPath)) return readScenario(readFileSync(nameOrPath, 'utf8'), nameOrPath)
    throw new MeshError('CONFIG_INVALID', `${nameOrPath}: there is no such file`)
  }
  const files = scenarioFiles()
  const file = files.find(one => nameOf(one) === nameOrPath)
  if (file !== undefined) return readScenario(readFileSync(file, 'utf8'), file)
  const names = files.map(nameOf)
  const guess = nearest(nameOrPath, names)
  const meant = guess === undefined ? '' : `did you mean ${guess}? `
  const message = `there is no scenario ${nameOrPath}; ${meant}known: ${names.join(', ')}, or a path to a .yaml file`
  throw new MeshError('CONFIG_INVALID', message)
}

/** Those that come with the software, and those that a failure left behind (`found/`). */
export function listScenarios(): readonly ScenarioEntry[] {
  return scenarioFiles().map(file => {
    const { name, shows } = readScenario(readFileSync(file, 'utf8'), file)
    return { name, shows, file }
  })
}

/** The text of a scenario that is this plan and nothing else: every seed of it is the same world. */
export function planToScenario(
  plan: Plan,
  about: { readonly name?: string; readonly shows?: string } = {},
): string {
  const shows =
    about.shows ??
    `The world that ${plan.scenario} draws from seed ${plan.seed}, or what shrinking left of it.`
  const name = about.name === undefined ? '' : `name: ${about.name}\n`
  return `shows: ${JSON.stringify(shows)}\n${name}plan:\n${planLines(plan)}\n`
}

function nameOf(file: string): string {
  return basename(file, '.yaml')
}

function scenarioFiles(): readonly string[] {
  const folder = join(packageRoot(), 'simulations', 'scenarios')
  return [folder, join(folder, 'found')].flatMap(place => {
    const names = existsSync(place) ? readdirSync(place).filter(name => name.endsWith('.yaml')) : []
    return names.sort().map(name => join(place, name))
  })
}

/** From `simulations/` as from `dist/simulations/`, where no YAML is. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}
