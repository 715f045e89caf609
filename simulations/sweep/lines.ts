// What a sweep prints: one line a seed, as JSON or CSV, for other programs to read.
import type { Outcome, Timed } from '../outcome.ts'

const COLUMNS: readonly (readonly [string, (timed: Timed) => string | number])[] = [
  ['scenario', ({ outcome }) => outcome.scenario],
  ['seed', ({ outcome }) => outcome.seed],
  ['ok', ({ outcome }) => (outcome.ok ? 1 : 0)],
  ['violations', ({ outcome }) => [...new Set(outcome.violations.map(one => one.invariant))].join(' ')],
  ['nodes', ({ outcome }) => outcome.nodes],
  ['chargers', ({ outcome }) => outcome.chargers],
  ['virtual_s', ({ outcome }) => Math.round(outcome.virtualMs / 1000)],
  ['cpu_s', ({ cpuMs }) => (cpuMs / 1000).toFixed(2)],
  ['faults', ({ outcome }) => Object.values(outcome.faults).reduce((sum, one) => sum + one, 0)],
  ['events', ({ outcome }) => outcome.events],
  ['events_lost', ({ outcome }) => outcome.eventsLost],
  ['events_destroyed', ({ outcome }) => outcome.eventsDestroyed],
  ['drivers', ({ outcome }) => outcome.service.drivers],
  ['served', ({ outcome }) => outcome.service.served],
  ['refused_wrongly', ({ outcome }) => outcome.service.refusedWrongly],
  ['served_wrongly', ({ outcome }) => outcome.service.servedWrongly],
  ['sessions', ({ outcome }) => outcome.service.sessions],
  ['sessions_lost', ({ outcome }) => outcome.service.lostSessions],
  ['double_bills', ({ outcome }) => outcome.service.doubleBills],
  ['converged_ms', ({ outcome }) => outcome.convergedMs ?? ''],
  ['reconcile_p50_ms', ({ outcome }) => outcome.reconcileMs.p50],
  ['reconcile_p95_ms', ({ outcome }) => outcome.reconcileMs.p95],
  ['bytes_a_session', ({ outcome }) => outcome.bytesPerSession],
  ['trace', ({ outcome }) => outcome.traceHash],
]

export function csvHead(): string {
  return COLUMNS.map(([name]) => name).join(',')
}

export function csvLine(timed: Timed): string {
  return COLUMNS.map(([, read]) => quoted(String(read(timed)))).join(',')
}

export function jsonLine(timed: Timed): string {
  return JSON.stringify({ ...timed.outcome, wallMs: timed.wallMs, cpuMs: timed.cpuMs })
}

/** RFC 4180. */
function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A session may be lost with a disk that a fault destroyed while nobody else had it; that breaks no promise. */
function lostHow({ ok, service }: Outcome): string {
  return ok && service.lostSessions > 0 ? ' with a disk that alone had them' : ''
}

/** One run for a person. */
export function verdictText(outcome: Outcome): string {
  const { service } = outcome
  const hours = (outcome.virtualMs / 3600_000).toFixed(1)
  const faults = Object.values(outcome.faults).reduce((sum, one) => sum + one, 0)
  const lines = [
    `${outcome.scenario}:${outcome.seed}  ${outcome.ok ? 'ok' : 'VIOLATED'}`,
    `  ${outcome.nodes} nodes, ${outcome.chargers} chargers, ${hours} h, ${faults} faults, ${outcome.hostileActs} hostile acts, ${outcome.signer}, cloud in ${outcome.cloud}`,
    `  drivers ${service.drivers}: ${service.served} served, ${service.refusedWrongly} with a good card refused, ${service.refusedRightly} rightly refused, ${service.servedWrongly} with a bad card served, ${service.turnedAway} turned away`,
    `  sessions ${service.sessions}: ${service.lostSessions} lost${lostHow(outcome)}, ${service.doubleBills} billed twice; events ${outcome.events}: ${outcome.eventsLost} lost, ${outcome.eventsDestroyed} only on destroyed disks${outcome.logsPruned > 0 ? `, ${outcome.logsPruned} logs let go of` : ''}`,
    `  whole again ${outcome.convergedMs === undefined ? 'never' : `${outcome.convergedMs / 1000} s after the faults`}; reconciled p50 ${outcome.reconcileMs.p50 / 1000} s, p95 ${outcome.reconcileMs.p95 / 1000} s; ${outcome.bytesPerSession} bytes a session`,
    `  trace ${outcome.traceHash.slice(0, 16)}`,
  ]
  for (const [name, other] of Object.entries(outcome.baselines ?? {}))
    lines.push(
      `  ${name.padEnd(8)} ${other.served} served, ${other.refusedWrongly} with a good card refused, ${other.servedWrongly} with a bad card served, ${other.lostSessions} sessions lost, ${other.doubleBills} billed twice`,
    )
  for (const one of outcome.violations.slice(0, 10))
    lines.push(`  ! ${one.invariant} (${one.checker}) at ${(one.atMs / 1000).toFixed(3)} s: ${one.detail}`)
  if (outcome.violations.length > 10) lines.push(`  ! and ${outcome.violations.length - 10} more`)
  return lines.join('\n')
}
