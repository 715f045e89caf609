// The report of a sweep: what held over all seeds, which seed broke what and how to see it again, and how far the figures
// lie apart, with the worst seed of each by name. Only seeds that were compared stand beside the other designs.
import type { Outcome, Share, Timed } from '../outcome.ts'
import { buyerTiles } from './buyer.ts'
import { checkedSection } from './checked.ts'
import { comparison, designs, serviceBars, serviceTable, total } from './drivers.ts'
import { faultCount, faultSection } from './faults.ts'
import { type Html, html, section, table, tiles } from './markup.ts'
import { count, counted, duration, percentile, percentilesOf, summed } from './measure.ts'
import { type Provenance, page, thisMachine } from './page.ts'
import { ranges, spread } from './spread.ts'
import { banner, command, findings, promise, replayCommand, verdictOf } from './verdict.ts'

export function sweepReport(timed: readonly Timed[], from: Provenance = thisMachine()): string {
  const outcomes = timed.map(one => one.outcome)
  return page({
    title: `${scenarios(outcomes)}, ${counted(outcomes.length, 'seed')}`,
    lead: [
      `Simulated with chargemesh ${from.version}: seeds ${ranges(outcomes.map(one => one.seed))},`,
      `${counted(summed(outcomes.map(faultCount)), 'fault')} injected.`,
    ].join(' '),
    sections: [
      { id: 'verdict', name: 'Verdict', body: verdict(timed) },
      { id: 'violations', name: 'Violations', body: violations(outcomes) },
      { id: 'figures', name: 'Figures', body: figures(outcomes) },
      { id: 'drivers', name: 'Drivers', body: drivers(outcomes) },
      { id: 'spread', name: 'Spread', body: spread(outcomes) },
      { id: 'faults', name: 'Faults', body: faultSection(outcomes) },
      { id: 'checked', name: 'Checked', body: checkedSection(from) },
      { id: 'again', name: 'Run it again', body: again(outcomes, from) },
    ],
  })
}

function scenarios(outcomes: readonly Outcome[]): string {
  const names = [...new Set(outcomes.map(one => one.scenario))].sort((a, b) => (a < b ? -1 : 1))
  return names.length === 0 ? 'Nothing' : names.join(', ')
}

function verdict(timed: readonly Timed[]): Html {
  const means = 'Whether the promises held in every world that was drawn.'
  const outcomes = timed.map(one => one.outcome)
  const hours = summed(outcomes.map(one => one.virtualMs)) / 3_600_000
  const wallS = summed(timed.map(one => one.wallMs)) / 1000
  const broken = outcomes.filter(one => one.violations.length > 0).length
  return section(
    { id: 'verdict', title: 'Verdict', means },
    banner(outcomes.length === 0 ? { good: false, sentence: 'No seed was run.' } : verdictOf(outcomes)),
    tiles([
      {
        name: 'Seeds run',
        value: count(outcomes.length),
        note: `${count(broken)} with a violation`,
        means: 'Each seed draws a whole world: sizes, drivers, network and faults.',
      },
      {
        name: 'Virtual time',
        value: duration(hours * 3_600_000),
        note: `${count(Math.round(hours))} hours`,
        means: 'Site time that was lived through, all seeds together.',
      },
      {
        name: 'Rate',
        value: wallS > 0 ? `${(hours / wallS).toFixed(2)} h/s` : 'not measured',
        means: 'Virtual hours in one second of a run on this machine.',
      },
    ]),
  )
}

const MOST_SEEDS = 10

function violations(outcomes: readonly Outcome[]): Html {
  const broken = new Map<string, Outcome[]>()
  for (const outcome of outcomes)
    for (const id of new Set(outcome.violations.map(one => one.invariant)))
      broken.set(id, [...(broken.get(id) ?? []), outcome])
  const found = [...broken].sort(([a, one], [b, other]) => other.length - one.length || (a < b ? -1 : 1))
  const means = 'Promises that were broken, with the command that shows each seed again.'
  return section(
    { id: 'violations', title: 'Violations by promise', means },
    found.length === 0
      ? html`<p class="empty">None in ${counted(outcomes.length, 'seed')}.</p>`
      : found.map(([id, seeds]) => brokenPromise(id, seeds)),
  )
}

function brokenPromise(id: string, outcomes: readonly Outcome[]): Html {
  const found = outcomes.slice(0, MOST_SEEDS).flatMap(outcome => {
    const violation = outcome.violations.find(one => one.invariant === id)
    return violation === undefined
      ? []
      : [{ title: `Seed ${outcome.seed}`, violation, again: replayCommand(outcome) }]
  })
  return html`<h3>${promise(id)}: ${counted(outcomes.length, 'seed')}</h3>${
    outcomes.length > MOST_SEEDS
      ? html`<p>Seeds ${ranges(
          outcomes.map(one => one.seed),
          200,
        )}; the first ${MOST_SEEDS}:</p>`
      : undefined
  }${findings(found)}`
}

function figures(outcomes: readonly Outcome[]): Html {
  const all = (pick: (one: Outcome) => Share): Share => ({
    of: summed(outcomes.map(one => pick(one).of)),
    good: summed(outcomes.map(one => pick(one).good)),
  })
  const syncs = outcomes.map(one => one.syncAfterReconnectMs).filter(one => one.count > 0)
  const [middle, slow] = [percentilesOf(syncs.map(one => one.p50)), percentilesOf(syncs.map(one => one.p95))]
  return section(
    {
      id: 'figures',
      title: 'Figures for a buyer',
      means: 'The three questions that are asked first, over all seeds.',
    },
    buyerTiles({
      badNetwork: all(one => one.badNetwork),
      ordinary: all(one => one.chargersServed.ordinary),
      quirky: all(one => one.chargersServed.quirky),
      sync: {
        value: percentile(middle, 'p50', duration),
        note:
          syncs.length === 0
            ? 'no reconnect'
            : `p95 of the middle seed ${percentile(slow, 'p50', duration)}, of the worst ${percentile(slow, 'max', duration)}`,
      },
    }),
  )
}

/** Sums stand beside one another only over the seeds that ran every design. */
function drivers(outcomes: readonly Outcome[]): Html {
  const names = [...new Set(outcomes.flatMap(one => Object.keys(one.baselines ?? {})))]
  const basis = outcomes.filter(one => names.every(name => Object.hasOwn(one.baselines ?? {}, name)))
  const others = names.map(name => {
    const services = basis.flatMap(one => one.baselines?.[name] ?? [])
    return [name, total(services)] as const
  })
  const all = designs(total(basis.map(one => one.service)), Object.fromEntries(others))
  const means =
    'What became of everybody who came to charge, here and with other designs under the same seeds.'
  return section(
    { id: 'drivers', title: 'Drivers served and refused', means },
    serviceBars(all),
    comparison(all),
    serviceTable(all, `Drivers, sessions and bills of ${counted(basis.length, 'seed')}`),
  )
}

function again(outcomes: readonly Outcome[], from: Provenance): Html {
  const first = outcomes[0]
  const means = 'Any seed runs again by itself, step by step, and gives the same trace hash.'
  return section(
    { id: 'again', title: 'Run it again', means },
    first === undefined ? undefined : command(replayCommand(first)),
    table({
      caption: 'This sweep',
      heads: ['Of this sweep', 'Value'],
      rows: [
        ['Scenarios', scenarios(outcomes)],
        ['Seeds', ranges(outcomes.map(one => one.seed))],
        ['chargemesh', from.version],
        ['Node.js', from.node],
      ],
      words: 2,
    }),
  )
}
