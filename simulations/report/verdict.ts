// What a run or a sweep comes to, in one sentence from what was counted, and the one command that runs a seed again.
import type { Outcome, Service, Violation } from '../outcome.ts'
import { firstOf, type Html, html } from './markup.ts'
import { counted, duration, summed } from './measure.ts'
import { PROMISES } from './promises.ts'

export type Verdict = { readonly good: boolean; readonly sentence: string }

export function verdictOf(outcomes: readonly Outcome[]): Verdict {
  const sum = (figure: keyof Service): number => summed(outcomes.map(one => one.service[figure]))
  const violations = summed(outcomes.map(one => one.violations.length))
  const [lost, doubled, sessions] = [sum('lostSessions'), sum('doubleBills'), sum('sessions')]
  const events = summed(outcomes.map(one => one.eventsLost))
  const apart = outcomes.filter(one => one.convergedMs === undefined).length
  const parts = [
    sessions === 0 ? 'no session took place' : `${counted(lost, 'session')} lost`,
    counted(doubled, 'double bill'),
    violations === 0 ? '0 violations' : counted(violations, 'violation'),
    ...(events === 0 ? [] : [`${counted(events, 'event')} lost`]),
    ...(apart === 0 ? [] : [apartWords(apart, outcomes.length)]),
  ]
  const text = parts.join(', ')
  const good = violations + lost + doubled + events + apart === 0 && outcomes.every(one => one.ok)
  return { good, sentence: `${text.charAt(0).toUpperCase()}${text.slice(1)}.` }
}

function apartWords(apart: number, of: number): string {
  return of === 1
    ? 'and the nodes never came to hold the same'
    : `and in ${counted(apart, 'seed')} the nodes never came to hold the same`
}

/** The mark and the word before it say the same as the colour. */
export function banner({ good, sentence }: Verdict): Html {
  return html`<p class="verdict ${good ? 'good' : 'bad'}"><b>${good ? '✓ Held.' : '✕ Not held.'}</b> ${sentence}</p>`
}

export function replayCommand({ scenario, seed }: Pick<Outcome, 'scenario' | 'seed'>): string {
  return `npm run -s simulate -- --replay ${shellWord(`${scenario}:${seed}`)} --trace`
}

/** One word to a shell, whatever a scenario is called. */
function shellWord(text: string): string {
  return /^[\w.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

export function command(text: string): Html {
  return html`<pre><code>${text}</code></pre>`
}

const MOST_VIOLATIONS = 100

export type Finding = {
  readonly title: string
  readonly violation: Violation
  /** Runs it again, where the page has not said so already. */
  readonly again?: string
}

/** A list, not a table: the sentences are long and a phone is narrow. */
export function findings(all: readonly Finding[]): Html {
  return html`<ol class="findings">${all.map(
    ({ title, violation, again }) => html`<li><b>${title}</b>, after ${duration(violation.atMs)}:
${violation.detail} <span class="means">(seen by ${violation.checker})</span>${
      again === undefined ? undefined : command(again)
    }</li>\n`,
  )}</ol>`
}

/** What was broken, when, and what that means. */
export function violationList(violations: readonly Violation[]): Html {
  const { shown, more } = firstOf(violations, MOST_VIOLATIONS)
  const named = shown.map(violation => ({ title: promise(violation.invariant), violation }))
  return html`<p>In order of time; the first one counts, others may follow from it.</p>${findings(named)}${more}`
}

export function promise(invariant: string): string {
  const words = Object.hasOwn(PROMISES, invariant) ? PROMISES[invariant] : undefined
  return words === undefined ? invariant : `${invariant} (${words})`
}
