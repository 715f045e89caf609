// The seeded bugs: that each still fits the code, and that the runner tells what was caught from what was not. The runner
// is tried on a project of four files whose simulator is a stand-in; the real bugs are run by command only.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { INVARIANTS, type Mutant, patched, readMutants } from '../../simulations/mutants/mutant.ts'
import { type MutantResult, runMutants } from '../../simulations/mutants/run.ts'
import { runChild } from '../../simulations/mutants/tree.ts'
import { judgeTrial } from '../../simulations/mutants/trial.ts'

const ROOT = join(import.meta.dirname, '../..')
const never = new AbortController().signal
/** The compiler runs several times; seconds alone, much longer beside everything else. */
const COMPILING = { timeout: 180_000 }

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'chargemesh-mutants-test-'))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))

describe('the seeded bugs', () => {
  it('are many, and each has a place that is there once', async () => {
    const mutants = await readMutants(ROOT)
    expect(mutants.length).toBeGreaterThanOrEqual(36)
    for (const mutant of mutants) {
      const text = await readFile(join(ROOT, mutant.file), 'utf8')
      expect(patched(mutant, text), mutant.name).not.toBe(text)
    }
  })

  it('are sentences of what breaks, and name what should see it', async () => {
    for (const mutant of await readMutants(ROOT)) {
      expect(mutant.breaks, mutant.name).toMatch(/^[A-Z].*\.$/)
      expect(new Set(mutant.caught).size, mutant.name).toBe(mutant.caught.length)
    }
    expect(INVARIANTS).toHaveLength(39)
  })

  it('compile, as many at once as do not share a place', COMPILING, async () => {
    for (const [i, batch] of (await batchesOf(await readMutants(ROOT))).entries()) {
      const folder = join(scratch, `batch-${i}`)
      await cp(join(ROOT, 'src'), join(folder, 'src'), { recursive: true })
      for (const name of ['package.json', 'tsconfig.json']) await cp(join(ROOT, name), join(folder, name))
      await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir')
      for (const mutant of batch) {
        const path = join(folder, mutant.file)
        await writeFile(path, patched(mutant, await readFile(path, 'utf8')))
      }
      const config = { extends: './tsconfig.json', include: ['src'], compilerOptions: LENIENT }
      await writeFile(join(folder, 'tsconfig.batch.json'), JSON.stringify(config))
      const words = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.batch.json']
      const { code, out } = await runChild(words, { folder, signal: never, limitMs: 60_000 })
      expect({ code, out }).toEqual({ code: 0, out: '' })
    }
  })
})

const LENIENT = { noUnusedLocals: false, noUnusedParameters: false, allowUnreachableCode: true }

/** Mutants of one batch keep clear of one another, so that each still fits when the others are in. */
async function batchesOf(mutants: readonly Mutant[]): Promise<readonly (readonly Mutant[])[]> {
  const batches: Mutant[][] = []
  const texts = new Map<string, string>()
  for (const { file } of mutants) texts.set(file, await readFile(join(ROOT, file), 'utf8'))
  const fits = (batch: readonly Mutant[], mutant: Mutant): boolean => {
    try {
      const all = [...batch, mutant].filter(other => other.file === mutant.file)
      all.reduce((text, other) => patched(other, text), texts.get(mutant.file) ?? '')
      return true
    } catch {
      return false
    }
  }
  for (const mutant of mutants) {
    const batch = batches.find(one => fits(one, mutant))
    if (batch) batch.push(mutant)
    else batches.push([mutant])
  }
  return batches
}

const MUTANT: Mutant = {
  ...{ name: 'one', breaks: 'Breaks one thing.', file: 'src/a.ts', find: 'b', replace: 'c' },
  ...{ caught: ['I1'], scenario: 'smoke', seeds: 20 },
}

describe('a patch', () => {
  it('replaces its one place', () => {
    expect(patched({ ...MUTANT, replace: '$&' }, 'abd')).toBe('a$&d')
  })

  it('is refused when its place is gone, is there twice, or stays the same', () => {
    expect(() => patched(MUTANT, 'acd')).toThrow(
      'mutant one: its place is in src/a.ts 0 times, and must be once',
    )
    expect(() => patched(MUTANT, 'abbd')).toThrow('2 times')
    expect(() => patched({ ...MUTANT, replace: 'b' }, 'abd')).toThrow('changes nothing')
  })
})

describe('the list of bugs', () => {
  const listed = async (...texts: readonly string[]): Promise<readonly Mutant[]> => {
    const root = await mkdtemp(join(scratch, 'list-'))
    await mkdir(join(root, 'simulations/mutants'), { recursive: true })
    for (const [i, text] of texts.entries())
      await writeFile(join(root, `simulations/mutants/${i}.yaml`), text)
    return readMutants(root)
  }
  const one = '- { name: one, breaks: Breaks one thing., file: src/a.ts, find: b, replace: c, caught: [I1] }'

  it('takes a scenario and a number of seeds for granted', async () => {
    expect(await listed(one)).toEqual([MUTANT])
  })

  it('refuses a name that is used twice, in whatever file', async () => {
    await expect(listed(one, one)).rejects.toThrow('1.yaml: two mutants are called one')
  })

  it('refuses an invariant that nobody promised, a field that nobody reads and a file outside src', async () => {
    await expect(listed(one.replace('I1', 'I34'))).rejects.toThrow('an invariant of PROTOCOL 6.5, or crash')
    await expect(listed(one.replace('caught', 'catched'))).rejects.toThrow('catched')
    await expect(listed(one.replace('src/a.ts', 'src/../a.ts'))).rejects.toThrow('a file in src/')
  })
})

describe('a trial', () => {
  const trial = { scenario: 'smoke', firstSeed: 4, lastSeed: 6 }
  const violation = { invariant: 'I5', checker: 'durability', atMs: 7, detail: 'gone' }
  const line = (seed: number, violations: readonly object[] = []): string =>
    `${JSON.stringify({ seed, ok: violations.length === 0, violations })}\n`

  it('is clean when every seed has a verdict and none is bad', () => {
    const out = line(4) + line(5) + line(6)
    expect(judgeTrial(trial, { code: 0, out, err: '' })).toEqual({ kind: 'clean' })
  })

  it('says what was violated, and in which seed', () => {
    const out = line(4) + line(5, [violation])
    const violated = { kind: 'violated', seed: 5, violations: [violation] }
    expect(judgeTrial(trial, { code: 1, out, err: '' })).toEqual(violated)
  })

  it('takes an end without a verdict for a crash of the seed that was under way', () => {
    const err =
      'file.js:1\nthrow x\n\nInvariantBroken: invariant broken: no\n    at file.js:1\n\nNode.js v20\n'
    const crashed = { kind: 'crashed', seed: 5, reason: 'InvariantBroken: invariant broken: no' }
    expect(judgeTrial(trial, { code: 1, out: `${line(4)}{"seed":5,"ok`, err })).toEqual(crashed)
    expect(judgeTrial(trial, { code: 0, out: line(4), err: '' }).kind).toBe('crashed')
  })

  it('is stuck when its time was up', async () => {
    const ended = await runChild(['-e', 'for (;;);'], { folder: scratch, signal: never, limitMs: 300 })
    expect(judgeTrial(trial, ended)).toEqual({ kind: 'stuck', seed: 4 })
  })
})

/** Prints outcomes that depend on what the sources of the project say. */
const STAND_IN = `
import { cents, greeting } from '../src/price.ts'
const [scenario, range] = [process.argv[3], process.argv[5] ?? '']
const [first, last] = range.split('..').map(Number)
if (!process.argv.includes('--json') || !process.argv.includes('--stop-at-first')) throw new Error('which form?')
for (let seed = first ?? 0; seed <= (last ?? 0); seed++) {
  if (greeting === 'crash') throw new Error(\`seed \${seed} fell over\`)
  const violations: object[] = []
  const say = (invariant: string) => violations.push({ invariant, checker: 'stand-in', atMs: seed, detail: greeting })
  if (cents !== 25 && seed >= 3) say('I20')
  if (greeting === 'loud') say(seed === 4 ? 'I5' : 'I6')
  if (scenario === 'broken') say('L1')
  console.log(JSON.stringify({ seed, ok: violations.length === 0, violations }))
  if (violations.length > 0) process.exit(1)
}
`
const PROJECT: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "stand-in", "type": "module" }',
  'src/price.ts':
    "export const cents: number = 25\nexport const greeting: string = 'hello'\nexport const unused = 1\n",
  'simulations/simulate.ts': STAND_IN,
  'simulations/mutants/all.yaml': `
- { name: seen, breaks: The price is wrong., file: src/price.ts, find: '= 25', replace: '= 26', caught: [I20], seeds: 5 }
- { name: seen-late, breaks: It is only loud., file: src/price.ts, find: hello, replace: loud, caught: [I5], seeds: 5 }
- { name: seen-by-others, breaks: It is only loud., file: src/price.ts, find: hello, replace: loud, caught: [I1], seeds: 2 }
- { name: harmless, breaks: Nothing is wrong., file: src/price.ts, find: '= 1', replace: '= 2', caught: [I1], seeds: 3 }
- { name: not-code, breaks: It is no code., file: src/price.ts, find: '= 25', replace: "= 'x'", caught: [I1], seeds: 2 }
- { name: falls-over, breaks: The run ends., file: src/price.ts, find: hello, replace: crash, caught: [crash], seeds: 2 }
- { name: elsewhere, breaks: It is of no use., file: src/price.ts, find: '= 1', replace: '= 2', caught: [I1], scenario: broken }
`,
}

describe('the runner', () => {
  let root: string
  let copies: string
  const said: string[] = []
  beforeAll(async () => {
    root = join(scratch, 'project')
    copies = join(scratch, 'copies')
    await mkdir(copies)
    for (const [path, text] of Object.entries(PROJECT)) {
      await mkdir(join(root, path, '..'), { recursive: true })
      await writeFile(join(root, path), text)
    }
    for (const name of ['tsconfig.json', 'tsconfig.build.json']) await cp(join(ROOT, name), join(root, name))
    await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'), 'dir')
  })
  const run = (only: readonly string[], more: { seeds?: number; signal?: AbortSignal } = {}) =>
    runMutants({ root, scratch: copies, only, ...more, onProgress: progress => said.push(progress.kind) })
  const shortly = (result: MutantResult): unknown => {
    const { mutant, ...rest } = result
    return { name: mutant.name, ...rest }
  }

  it('tells caught from survived, and leaves nothing behind', COMPILING, async () => {
    const names = ['seen', 'seen-late', 'seen-by-others', 'harmless', 'not-code', 'falls-over']
    const results = await run(names)
    const glimpse = { checker: 'stand-in' }
    expect(results.map(shortly)).toEqual([
      { name: 'seen', kind: 'caught', seed: 3, atMs: 3, invariant: 'I20', detail: 'hello', ...glimpse },
      { name: 'seen-late', kind: 'caught', seed: 4, atMs: 4, invariant: 'I5', detail: 'loud', ...glimpse },
      {
        ...{ name: 'seen-by-others', kind: 'caught-by-others' },
        seen: [1, 2].map(seed => ({ seed, invariant: 'I6', ...glimpse })),
      },
      { name: 'harmless', kind: 'survived', seeds: 3 },
      { name: 'not-code', kind: 'not-built', reason: expect.stringContaining('src/price.ts') },
      {
        ...{ name: 'falls-over', kind: 'caught', seed: 1, atMs: 0, invariant: 'crash', checker: 'simulate' },
        detail: 'Error: seed 1 fell over',
      },
    ])
    expect(said.filter(kind => kind === 'result')).toHaveLength(names.length)
    expect(await readdir(copies)).toEqual([])
    expect((await readdir(root)).sort()).not.toContain('dist')
    expect(await readFile(join(root, 'src/price.ts'), 'utf8')).toBe(PROJECT['src/price.ts'])
  })

  it('tries as many seeds as it is told', COMPILING, async () => {
    expect((await run(['seen'], { seeds: 2 })).map(shortly)).toEqual([
      { name: 'seen', kind: 'survived', seeds: 2 },
    ])
  })

  it('proves nothing where the unpatched project fails already', COMPILING, async () => {
    await expect(run(['elsewhere'])).rejects.toThrow('without any mutant, broken:1 fails already (L1: hello)')
    expect(await readdir(copies)).toEqual([])
  })

  it('leaves nothing behind when it is interrupted', COMPILING, async () => {
    const stop = new AbortController()
    const interrupted = runMutants({
      ...{ root, scratch: copies, only: ['harmless', 'seen'], signal: stop.signal },
      onProgress: ({ kind }) => {
        if (kind === 'trying') stop.abort()
      },
    })
    await expect(interrupted).rejects.toThrow('interrupted')
    expect(await readdir(copies)).toEqual([])
  })

  it('refuses the name of a mutant that is not there', async () => {
    await expect(run(['nobody'])).rejects.toThrow('there is no mutant nobody')
  })
})
