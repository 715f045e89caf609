// The reports of runs and sweeps: what they say, that nothing in a plan can speak for them, and that they need no network.
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { Outcome } from '../../simulations/outcome.ts'
import { dataBlock } from '../../simulations/report/markup.ts'
import { count, duration, energy, percentilesOf, share } from '../../simulations/report/measure.ts'
import { thisMachine, writeReport } from '../../simulations/report/page.ts'
import { runReport } from '../../simulations/report/run.ts'
import { SCRIPT } from '../../simulations/report/script.ts'
import { ranges } from '../../simulations/report/spread.ts'
import { sweepReport } from '../../simulations/report/sweep.ts'
import { replayCommand } from '../../simulations/report/verdict.ts'
import { BROKEN, campusWeek, EMPTY, outcome, timed } from './report-outcome.ts'

const SCRIPTS = /<script>([\s\S]*?)<\/script>/g
const BLOCKS = /<script type="application\/json" id="data-([\w-]+)">([\s\S]*?)<\/script>/g

type Block = {
  readonly x: readonly number[]
  readonly lines: readonly { readonly name: string; readonly values: readonly (number | null)[] }[]
}

function blocksOf(page: string): ReadonlyMap<string, Block> {
  return new Map(
    [...page.matchAll(BLOCKS)].map(([, id, text]) => [id ?? '', JSON.parse(text ?? '') as Block]),
  )
}

function bodyOf(page: string): string {
  return page
    .slice(page.indexOf('<body>') + 6, page.indexOf('</body>'))
    .replace(/<script[\s\S]*?<\/script>/g, '')
}

/** As a reader sees it: no markup, ordinary spaces. */
function textOf(page: string): string {
  return bodyOf(page)
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replace(/[\u202f\s]+/g, ' ')
}

const ONE_NODE: Partial<Outcome> = {
  nodes: 1,
  meshBytes: { p50: 0, p95: 0, max: 0, count: 1 },
  revocations: [{ atMs: 5000, spreadMs: [0], allMs: 0, startsAfter: 0 }],
  series: {
    everyMs: 60_000,
    ...{ islands: [1], nodesUp: [1], openSessions: [0], missingEvents: [0], unsentEvents: [4] },
    ...{ servedDrivers: [1], refusedDrivers: [0] },
  },
}

const EVIL = '</title></script><script>alert(1)</script><img src=x onerror="alert(2)">\u202e`'
const HOSTILE: Partial<Outcome> = {
  ...{ scenario: EVIL, signer: EVIL, cloud: EVIL, traceHash: EVIL },
  violations: [{ invariant: EVIL, checker: EVIL, atMs: 1, detail: EVIL }],
  faults: { [EVIL as 'kill']: 3 },
  baselines: { [EVIL]: outcome().service, constructor: outcome().service },
}

const PAGES: Readonly<Record<string, string>> = {
  'a run': runReport(timed()),
  'a broken run': runReport(timed(BROKEN), thisMachine([{ invariant: 'I13', checker: 'authorization' }])),
  'a run of nothing': runReport(timed(EMPTY)),
  'a run of one node': runReport(timed(ONE_NODE)),
  'a hostile run': runReport(timed(HOSTILE)),
  'a sweep': sweepReport(campusWeek(120)),
  'a sweep of nothing': sweepReport([]),
  'a hostile sweep': sweepReport([timed(HOSTILE), timed(EMPTY)]),
}
const EACH = Object.entries(PAGES)

describe('every report', () => {
  it.each(EACH)('asks the network for nothing: %s', (_, page) => {
    const own = page.replace(/<!--[\s\S]*?-->/, '').replace(SCRIPTS, '')
    expect(own).not.toMatch(/<(link|iframe|object|embed|base|img|audio|video)\b|<[^>]*\ssrc=|@import|url\(/)
    expect([...own.matchAll(/href="([^"]*)"/g)].filter(([, to]) => !to?.startsWith('#'))).toEqual([])
    expect(page).toContain(`content="default-src 'none';`)
  })

  it.each(EACH)('lets no script run but its own two, by their hashes: %s', (_, page) => {
    const scripts = [...page.matchAll(SCRIPTS)].map(([, text]) => text ?? '')
    expect(scripts).toHaveLength(2)
    const hashes = scripts.map(text => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
    expect(page).toContain(`script-src ${hashes.join(' ')}"`)
    expect(page.match(/<script/g)).toHaveLength(2 + blocksOf(page).size)
  })

  it.each(EACH)('closes what it opens, and names each place once: %s', (_, page) => {
    const open: string[] = []
    for (const [, end, name = ''] of bodyOf(page).matchAll(/<(\/?)([a-z]\w*)[^>]*>/g))
      if (end === '') open.push(name)
      else expect(open.pop()).toBe(name)
    expect(open).toEqual([])
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, to] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(to)
  })

  it.each(EACH)('has a caption and scopes in each table: %s', (_, page) => {
    for (const [table] of page.matchAll(/<table>[\s\S]*?<\/table>/g)) {
      expect(table).toMatch(/^<table>\s*<caption><span>[^<]+<\/span><\/caption>/)
      expect(table.match(/<th /g)?.length).toBe(table.match(/<th scope="(col|row)"/g)?.length)
    }
  })

  it.each(EACH)('shows no figure that is none: %s', (_, page) => {
    expect(textOf(page)).not.toMatch(/NaN|undefined|Infinity|null/)
  })

  it.each(EACH)('draws each plot from data of equal lengths: %s', (_, page) => {
    const blocks = [...blocksOf(page).values()]
    const drawn: (readonly (readonly unknown[])[])[] = []
    runInNewContext(SCRIPT, browser(blocks, drawn))
    expect(drawn).toHaveLength(blocks.length)
    expect(page.match(/<figure /g)?.length ?? 0).toBe(blocks.length)
    for (const data of drawn) expect(new Set(data.map(column => column.length)).size).toBe(1)
  })
})

/** As much of a browser as the script asks for, with a uPlot that only notes what it is handed. */
function browser(blocks: readonly Block[], drawn: (readonly (readonly unknown[])[])[]): object {
  const holders = blocks.map(block => ({
    clientWidth: 358,
    parentElement: { querySelector: () => ({ textContent: JSON.stringify(block) }) },
  }))
  function uPlot(options: { series: readonly unknown[] }, data: readonly (readonly unknown[])[]): void {
    if (options.series.length === data.length) drawn.push(data)
  }
  uPlot.paths = { bars: () => null, stepped: () => null }
  return {
    uPlot,
    document: {
      documentElement: { clientWidth: 390, classList: { contains: () => false } },
      querySelectorAll: () => holders,
    },
    getComputedStyle: () => ({ getPropertyValue: () => ' #123456' }),
    matchMedia: () => ({ addEventListener: () => undefined }),
    addEventListener: () => undefined,
  }
}

describe('a plan', () => {
  it('puts nothing into the page but text, whatever its names are', () => {
    for (const page of [PAGES['a hostile run'] ?? '', PAGES['a hostile sweep'] ?? '']) {
      expect(page).not.toMatch(/<img|<script>alert|\u202e/)
      expect(textOf(page)).toContain('</title></script><script>alert(1)</script><img src=x')
    }
  })

  it('ends no data block, and stands in it unchanged', () => {
    const block = dataBlock('evil', { name: `${EVIL}<!--\u2028` }).html
    expect(block.match(/[<>]/g)?.join('')).toBe('<><>')
    expect(JSON.parse(/>(.*)</.exec(block)?.[1] ?? '')).toEqual({ name: `${EVIL}<!--\u2028` })
  })

  it('puts no second word into the command', () => {
    expect(replayCommand({ scenario: 'stadium', seed: 7 })).toBe(
      'npm run -s simulate -- --replay stadium:7 --trace',
    )
    expect(replayCommand({ scenario: "x'; rm -rf ~ #", seed: 7 })).toContain(`'x'\\''; rm -rf ~ #:7'`)
  })
})

describe('the report of a run', () => {
  it('says in one sentence that nothing was lost', () => {
    expect(textOf(runReport(timed()))).toContain('✓ Held. No session lost, no double bill, 0 violations.')
  })

  it('names what was broken, what that promise is and the command that shows it again', () => {
    const text = textOf(runReport(timed(BROKEN)))
    expect(text).toContain('✕ Not held. 1 session lost, 1 double bill, 2 violations.')
    expect(text).toContain(
      'I13 (no session starts with a card that this node knows to be revoked) , after 1 h 2 min:',
    )
    expect(text).toContain('node 12 started a session on charger 88')
    expect(text).toContain('npm run -s simulate -- --replay byzantine:4711 --trace')
  })

  it.each([
    [{ eventsLost: 2 }, '2 events lost'],
    [{ ok: false }, 'Not held'],
    [{ service: { ...outcome().service, doubleBills: 3 } }, '3 double bills'],
  ])('does not call it held when %j', (change, words) => {
    const text = textOf(runReport(timed(change)))
    expect(text).toContain('✕ Not held.')
    expect(text).toContain(words)
  })

  it('does not call it held when the nodes never came to hold the same', () => {
    const { convergedMs: _, ...apart } = outcome()
    const text = textOf(runReport({ outcome: apart, wallMs: 1, cpuMs: 1 }))
    expect(text).toContain('✕ Not held. No session lost, no double bill, 0 violations, and the nodes never')
    expect(text).toContain('Whole again after never')
  })

  it('gives the figures that a buyer asks for', () => {
    const text = textOf(runReport(timed()))
    expect(text).toContain('Sessions kept in a bad network 100 % 402 of 402')
    expect(text).toContain('Sync after reconnect 11.8 s 95 of 100 within 1 min 34 s; 23 reconnects')
    expect(text).toContain('Ordinary chargers served 100 % 214 of 214')
    expect(text).toContain('Quirky chargers served 98.5 % 70 of 71')
  })

  it('sets the other designs beside the site, in one order', () => {
    const text = textOf(runReport(timed()))
    expect(text).toContain('Counted This site One gateway Always online Local lists Drivers who came 1 284')
    expect(text).toContain('Good card, sent away 3 498 951 3')
    expect(text).toContain('Energy lost 0 Wh 1.3 MWh 310 kWh 92.0 kWh')
    const { baselines: _, ...alone } = outcome()
    expect(textOf(runReport({ outcome: alone, wallMs: 1, cpuMs: 1 }))).toContain('No other design was run')
  })

  it('plots what was sampled, in hours when it took hours', () => {
    const blocks = blocksOf(runReport(timed()))
    const islands = blocks.get('islands')
    expect(islands?.lines[0]?.values).toEqual(outcome().series.islands)
    expect(islands?.x[60]).toBe(1)
    expect(blocks.get('events')?.lines.map(line => Math.max(...line.values.map(Number)))).toEqual([
      37_310, 21_240,
    ])
  })

  it('keeps the worst sample when there are too many to draw', () => {
    const long = Array.from({ length: 50_000 }, (_, at) => (at === 31_337 ? 9 : 1))
    const series = { ...outcome().series, islands: long, nodesUp: long.map(value => 51 - value) }
    const page = runReport(timed({ series, virtualMs: 50_000 * 60_000 }))
    const blocks = blocksOf(page)
    expect(blocks.get('islands')?.x.length).toBeLessThanOrEqual(1500)
    expect(Math.max(...(blocks.get('islands')?.lines[0]?.values.map(Number) ?? []))).toBe(9)
    expect(Math.min(...(blocks.get('nodes')?.lines[0]?.values.map(Number) ?? []))).toBe(42)
    expect(blocks.get('islands')?.x.at(-1)).toBeCloseTo(50_000 / 1440, 0)
    expect(textOf(page)).toContain('Each point is the worst of 34 samples in a row.')
  })

  it('shows how a revocation spread, and which never reached all', () => {
    const page = runReport(timed())
    expect(
      blocksOf(page)
        .get('revocations')
        ?.lines.map(line => line.values.at(-1)),
    ).toEqual([74, 100, 100])
    expect(textOf(page)).toContain('1 h 35 min 37 of 50 1 min 26 s never 1')
  })

  it('says what was checked and what was not, and how it was run', () => {
    const from = { version: '9.9.9', node: 'v20.0.0', checked: [{ invariant: 'I5', checker: 'durability' }] }
    const text = textOf(runReport(timed(), from))
    expect(text).toContain('1 of 38 promises were checked')
    expect(text).toContain(
      'an answer is given only once the event behind it is safely on the disk durability',
    )
    expect(text).toContain('37 were not checked: this report says nothing of them')
    expect(text).toContain('chargemesh 9.9.9 Node.js v20.0.0')
    expect(text).toContain(outcome().traceHash)
    expect(textOf(runReport(timed()))).toContain('Not stated by whoever wrote this report.')
  })
})

describe('the report of a sweep', () => {
  it('gives the rate, and each broken promise with its seeds and commands', () => {
    const text = textOf(sweepReport(campusWeek(120)))
    expect(text).toContain('campus-week, 120 seeds')
    expect(text).toContain('4 violations.')
    expect(text).toContain('13.55 h/s')
    expect(text).toContain(
      'I20 (a session has one bill, and its price is the one computed from its events): 2 seeds',
    )
    expect(text).toContain('npm run -s simulate -- --replay campus-week:100 --trace')
  })

  it('names every seed that broke a promise, and details the first ten', () => {
    const broken = campusWeek(40).map(one => ({
      ...one,
      outcome: { ...outcome(BROKEN), seed: one.outcome.seed },
    }))
    const text = textOf(sweepReport(broken))
    expect(text).toContain('Seeds 1 to 40; the first 10:')
    expect(text).not.toContain('byzantine:11 ')
  })

  it('names the worst seed of a figure, and never leaves out a site that was not whole again', () => {
    const { convergedMs: _, ...apart } = outcome({ seed: 3 })
    const runs = [timed({ seed: 1 }), timed({ seed: 2, convergedMs: 90_000 })]
    expect(textOf(sweepReport(runs))).toContain(
      'Whole again after the faults 8.4 s 1 min 30 s 1 min 30 s 2 2',
    )
    const text = textOf(sweepReport([...runs, { outcome: apart, wallMs: 1, cpuMs: 1 }]))
    expect(text).toContain('and in 1 seed the nodes never came to hold the same')
    expect(text).toContain('Whole again after the faults 1 min 30 s never never 3 3')
    expect(text).toContain('Never whole again: seeds 3.')
  })

  it('compares with other designs only over the seeds that ran all of them', () => {
    const { baselines: _, ...alone } = outcome({ seed: 2 })
    const part = timed({ baselines: { gateway: outcome().service } })
    const text = textOf(sweepReport([timed(), part, { outcome: alone, wallMs: 1, cpuMs: 1 }]))
    expect(text).toContain('Drivers, sessions and bills of 1 seed')
    expect(text).toContain('Drivers who came 1 284 1 284 1 284 1 284')
  })

  it('puts each seed into one bar, and each broken seed among the larger dots', () => {
    const blocks = blocksOf(sweepReport(campusWeek(120)))
    const bars = blocks.get('whole')?.lines[0]?.values.map(Number) ?? []
    expect(bars).toHaveLength(24)
    expect(bars.reduce((sum, value) => sum + value, 0)).toBe(120)
    expect(
      blocks.get('faults')?.lines.map(line => line.values.filter(value => value !== null).length),
    ).toEqual([118, 2])
  })

  it('sums the faults by kind, the commonest first', () => {
    const runs = [timed({ faults: { kill: 2, split: 7 } }), timed({ faults: { kill: 9 } })]
    expect(textOf(sweepReport(runs))).toContain('18 faults by kind Fault Times kill 11 split 7')
  })
})

describe('figures', () => {
  it.each([
    [0, '0 ms'],
    [999.6, '1.0 s'],
    [59_960, '1 min'],
    [3_599_700, '1 h'],
    [172_800_000, '2 d'],
    [100_000_000, '27 h 47 min'],
  ])('have the unit that a reader would take: %d ms is %s', (ms, text) => {
    expect(duration(ms).replaceAll('\u202f', ' ')).toBe(text)
  })

  it('never round a share to all or to none', () => {
    expect(share({ of: 100_000, good: 99_999 })).toBe('99.9\u202f%')
    expect(share({ of: 100_000, good: 1 })).toBe('< 0.1\u202f%')
    expect([share({ of: 3, good: 3 }), share({ of: 3, good: 0 }), share({ of: 0, good: 0 })]).toEqual([
      ...['100\u202f%', '0.0\u202f%', 'none'],
    ])
  })

  it('are grouped by thin spaces, ranked and put into ranges', () => {
    expect([count(1_234_567), count(-1200), count(12)]).toEqual(['1\u202f234\u202f567', '−1\u202f200', '12'])
    expect(energy(999_600)).toBe('1.0\u202fMWh')
    expect(percentilesOf([5, 1, 4, 2, 3])).toEqual({ p50: 3, p95: 5, max: 5, count: 5 })
    expect(ranges([3, 1, 2, 9, 2])).toBe('1 to 3, 9')
  })

  it('reach the file as they are', () => {
    const folder = mkdtempSync(join(tmpdir(), 'report-'))
    writeReport(join(folder, 'run.html'), PAGES['a run'] ?? '')
    expect(readFileSync(join(folder, 'run.html'), 'utf8')).toBe(PAGES['a run'])
    rmSync(folder, { recursive: true })
  })
})
