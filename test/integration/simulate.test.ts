// The simulator as a person uses it: its own process, its exit codes, its lines.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

type Ended = { readonly code: number; readonly out: string; readonly err: string }

function simulate(...args: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    const command = ['--max-semi-space-size=64', 'dist/simulations/simulate.js', ...args]
    execFile(process.execPath, command, { maxBuffer: 2 ** 28 }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    )
  })
}

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-simulate-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

describe('npm run simulate', { timeout: 240_000 }, () => {
  it('keeps every promise in fifty seeds of ten minutes in which everything goes wrong', async () => {
    const { code, out } = await simulate('--scenario', 'smoke', '--seeds', '1..50', '--json')
    const outcomes = out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(outcomes.flatMap(one => one.violations)).toEqual([])
    expect(outcomes.map(one => one.seed)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
    expect(outcomes.reduce((sum, one) => sum + one.service.sessions, 0)).toBeGreaterThan(500)
    const kinds = new Set(outcomes.flatMap(one => Object.keys(one.faults)))
    expect(kinds.size).toBeGreaterThan(25)
    expect(code).toBe(0)
  })

  it('runs a replay byte for byte as the run before', async () => {
    const [first, again] = [
      await simulate('--replay', 'smoke:3', '--trace', '--json'),
      await simulate('--replay', 'smoke:3', '--trace', '--json'),
    ]
    const traceOf = ({ out }: Ended): readonly string[] => out.trim().split('\n').slice(0, -1)
    expect(traceOf(first).length).toBeGreaterThan(1000)
    expect(traceOf(again)).toEqual(traceOf(first))
  })

  it('ends with 1 and the command that replays it when a promise was broken', async () => {
    const file = join(dir, 'hasty.yaml')
    const hasty =
      'shows: No time to become whole.\nduration: 2m\nquiet: 1s\nsite: { nodes: 3, chargers: 3 }\n'
    await writeFile(
      file,
      `${hasty}visits: { perHour: 200, stay: 20s..40s, meterEvery: 10s }\nuplinks:\n  - { nodes: 1, when: never }\n`,
    )
    const { code, out, err } = await simulate('--scenario', file, '--seed', '2')
    expect(out).toContain('VIOLATED')
    expect(err).toContain(`--replay ${file}:2 --trace`)
    expect(code).toBe(1)
  })

  it('shrinks a run that breaks a promise to a file that breaks it again', async () => {
    const file = join(dir, 'Hasty Site.yaml')
    const visits = 'visits: { perHour: 200, stay: 20s..40s, meterEvery: 10s }\n'
    await writeFile(
      file,
      `shows: No time to become whole.\nduration: 1m\nquiet: 1s\nsite: { nodes: 3, chargers: 3 }\n${visits}uplinks:\n  - { nodes: 1, when: never }\n`,
    )
    const shrunk = await simulate('--shrink', `${file}:2`, '--minutes', '1')
    expect(shrunk.code).toBe(1)
    const smallest = join(dir, 'smallest.yaml')
    await writeFile(smallest, shrunk.out)
    const again = await simulate('--scenario', smallest, '--json')
    expect(again.code).toBe(1)
    expect(JSON.parse(again.out)).toMatchObject({ nodes: 1, chargers: 0 })
  })

  it('refuses a wrong field with its line, its value and what is allowed, and ends with 2', async () => {
    const file = join(dir, 'wrong.yaml')
    await writeFile(file, 'shows: Wrong.\nduration: soon\nsite: { nodes: 3, chargers: 3 }\n')
    const { code, err } = await simulate('--scenario', file)
    expect(err).toMatch(/wrong\.yaml:2: duration = "soon": allowed: /)
    expect(code).toBe(2)
  })

  it.each([
    [['--scenario', 'stadion'], /did you mean stadium/],
    [['--seeds', '9..1', '--scenario', 'smoke'], /FROM\.\.TO/],
    [['--compare', 'magic', '--scenario', 'smoke'], /gateway,online,lists/],
    [['--replay', 'smoke'], /SCENARIO:SEED/],
    [[], /--scenario NAME/],
  ])('says what to do about %j', async (args, said) => {
    const { code, err } = await simulate(...args)
    expect(err).toMatch(said)
    expect(code).toBe(2)
  })

  it('sets other designs beside a run, and writes one page that asks the network for nothing', async () => {
    const report = join(dir, 'report.html')
    const args = ['--scenario', 'split-heal', '--seed', '3', '--compare', 'gateway,online,lists']
    const { code, out } = await simulate(...args, '--report', report, '--json')
    const { baselines, service } = JSON.parse(out)
    expect(Object.keys(baselines)).toEqual(['gateway', 'online', 'lists'])
    expect(service.served).toBeGreaterThanOrEqual(baselines.online.served)
    expect(baselines.gateway.drivers).toBe(service.drivers)
    const page = await readFile(report, 'utf8')
    expect(page).toContain('split-heal')
    expect(page).not.toMatch(/(src|href)="https?:/)
    expect(code).toBe(0)
  })

  it('prints a table for a spreadsheet, and the scenarios there are', async () => {
    const { out } = await simulate('--scenario', 'smoke', '--seeds', '1..2', '--csv', '--jobs', '1')
    const [head, ...rows] = out.trim().split('\n')
    expect(rows.map(row => row.split(',').length)).toEqual([head?.split(',').length, head?.split(',').length])
    expect((await simulate('--list')).out).toContain('stadium')
  })
})
