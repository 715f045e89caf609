// The report of one run, in the order in which a planner reads: the verdict, the figures that a buyer asks for, the drivers,
// then why. It shows what was counted and nothing else.
import type { Outcome, Timed } from '../outcome.ts'
import { buyerTiles } from './buyer.ts'
import { checkedSection } from './checked.ts'
import { driverCurves, eventCurves, revocationSpread, siteCurves } from './curves.ts'
import { comparison, designs, serviceBars, serviceTable } from './drivers.ts'
import { faultCount, faultSection } from './faults.ts'
import { type Html, html, section, table, tiles } from './markup.ts'
import { bytes, count, counted, duration, edge, percentile } from './measure.ts'
import { type Provenance, page, thisMachine } from './page.ts'
import { banner, command, replayCommand, verdictOf, violationList } from './verdict.ts'

export function runReport(timed: Timed, from: Provenance = thisMachine()): string {
  const { outcome } = timed
  const faults = faultCount(outcome)
  return page({
    title: `${outcome.scenario}, seed ${outcome.seed}`,
    lead: [
      `Simulated with chargemesh ${from.version}: ${counted(outcome.nodes, 'node')},`,
      `${counted(outcome.chargers, 'charger')}, ${duration(outcome.virtualMs)} of virtual time,`,
      `${counted(faults, 'fault')} injected.`,
    ].join(' '),
    sections: [
      { id: 'verdict', name: 'Verdict', body: verdict(outcome) },
      { id: 'figures', name: 'Figures', body: figures(outcome) },
      { id: 'drivers', name: 'Drivers', body: drivers(outcome) },
      { id: 'site', name: 'Islands', body: site(outcome) },
      { id: 'convergence', name: 'Convergence', body: convergence(outcome) },
      { id: 'bytes', name: 'Bytes', body: traffic(outcome) },
      { id: 'revocation', name: 'Revoked cards', body: revocation(outcome) },
      { id: 'faults', name: 'Faults', body: faultSection([outcome]) },
      { id: 'checked', name: 'Checked', body: checkedSection(from) },
      { id: 'again', name: 'Run it again', body: again(timed, from) },
    ],
  })
}

function verdict(outcome: Outcome): Html {
  const { violations } = outcome
  return section(
    {
      id: 'verdict',
      title: 'Verdict',
      means: 'Whether the site kept its promises on this day, whatever broke.',
    },
    banner(verdictOf([outcome])),
    violations.length === 0
      ? undefined
      : html`${violationList(violations)}<p>See it happen again, step by step:</p>${command(replayCommand(outcome))}`,
  )
}

function figures(outcome: Outcome): Html {
  const { badNetwork, syncAfterReconnectMs: sync, chargersServed } = outcome
  return section(
    { id: 'figures', title: 'Figures for a buyer', means: 'The three questions that are asked first.' },
    buyerTiles({
      badNetwork,
      ...chargersServed,
      sync: {
        value: percentile(sync, 'p50', duration),
        note: edge(sync, 'reconnect'),
      },
    }),
  )
}

function drivers(outcome: Outcome): Html {
  const all = designs(outcome.service, outcome.baselines)
  const means = 'What became of everybody who came to charge, here and with other designs on the same day.'
  return section(
    { id: 'drivers', title: 'Drivers served and refused', means },
    serviceBars(all),
    comparison(all),
    serviceTable(all, 'Drivers, sessions and bills'),
    driverCurves(outcome),
  )
}

function site(outcome: Outcome): Html {
  const means = 'An island is a group of nodes that hear each other; one island means that the site is whole.'
  return section({ id: 'site', title: 'Islands and nodes', means }, siteCurves(outcome))
}

function convergence(outcome: Outcome): Html {
  const { convergedMs, reconcileMs, events, eventsLost, eventsDestroyed } = outcome
  const means = 'How records spread over the site and reach the cloud; both lines should come back to zero.'
  return section(
    { id: 'convergence', title: 'Convergence', means },
    tiles([
      {
        name: 'Whole again after',
        value: convergedMs === undefined ? 'never' : duration(convergedMs),
        means: 'From the end of the faults until all nodes hold the same.',
      },
      {
        name: 'Time to reconcile',
        value: percentile(reconcileMs, 'p50', duration),
        note: edge(reconcileMs, 'session'),
        means: 'From the end of a session at the meter to the cloud’s receipt for it; the middle case.',
      },
      {
        name: 'Events lost',
        value: count(eventsLost),
        note: `of ${count(events)}`,
        means: 'Records that stood on a disk that survived and are nowhere now. It must be 0.',
      },
      {
        name: 'Events destroyed',
        value: count(eventsDestroyed),
        means: 'Only ever on disks that a fault destroyed: no software can keep these.',
      },
    ]),
    eventCurves(outcome),
  )
}

function traffic(outcome: Outcome): Html {
  const { meshBytes, uplinkBytes, bytesPerSession, messages } = outcome
  const means = 'What the radio and the data plan have to carry.'
  return section(
    { id: 'bytes', title: 'Bytes', means },
    table({
      caption: 'Traffic of the whole run',
      heads: ['Counted', 'Amount'],
      rows: [
        ['Mesh bytes of a node: half of them within', percentile(meshBytes, 'p50', bytes)],
        ['Mesh bytes of a node: 95 of 100 within', percentile(meshBytes, 'p95', bytes)],
        ['Mesh bytes of the busiest node', percentile(meshBytes, 'max', bytes)],
        ['Mesh bytes a session', bytes(bytesPerSession)],
        ['Uplink bytes of the site', bytes(uplinkBytes)],
        ['Messages between nodes', count(messages.sent)],
        ['of these lost on the way', count(messages.lost)],
        ['of these delivered twice', count(messages.doubled)],
      ],
    }),
  )
}

function revocation(outcome: Outcome): Html {
  const means = 'How fast the news of a blocked card spreads, and what was charged with it meanwhile.'
  return section({ id: 'revocation', title: 'Revoked cards', means }, revocationSpread(outcome))
}

function again({ outcome, wallMs, cpuMs }: Timed, from: Provenance): Html {
  const means = 'The same seed gives the same run, step by step; an equal hash proves it.'
  const rate =
    wallMs > 0 ? `${count(Math.round(outcome.virtualMs / wallMs))} times real time` : 'not measured'
  return section(
    { id: 'again', title: 'Run it again', means },
    command(replayCommand(outcome)),
    table({
      caption: 'This run',
      heads: ['Of this run', 'Value'],
      rows: [
        ['Scenario', outcome.scenario],
        ['Seed', String(outcome.seed)],
        ['Trace hash', html`<code>${outcome.traceHash}</code>`],
        ['Steps', count(outcome.steps)],
        ['chargemesh', from.version],
        ['Node.js', from.node],
        ['Signatures', outcome.signer],
        ['Cloud', outcome.cloud],
        ['Virtual time', duration(outcome.virtualMs)],
        ['Time on this machine', `${duration(wallMs)} (${rate}), processor ${duration(cpuMs)}`],
      ],
      words: 2,
    }),
  )
}
