// Where a node dies in the course of a session, as data. Every instant is named by a frame between charger and node, by what
// the mesh knows, or by what passed to the cloud; never by a time.
export type Step = 'boot' | 'authorize' | 'start' | 'meter' | 'stop'
/**
 * Of a message and its answer: the node never got it; it was handed over this instant; the journal has grown; the answer
 * was given and lost; the answer was just read.
 */
export type Moment = 'unheard' | 'heard' | 'written' | 'unanswered' | 'answered'
export type Instant =
  | { readonly kind: 'frame'; readonly step: Step; readonly moment: Moment }
  /** The car charges, and whoever can know of the session does. */
  | { readonly kind: 'midway' }
  /** The stop is answered: nothing went out yet; a push is on its way; the cloud has it, and the node does not know. */
  | { readonly kind: 'push'; readonly moment: 'before' | 'during' | 'committed' }
/** To the same node when it runs again, or to the other one, which may or may not have heard of the session. */
export type GoesOn = 'same' | 'other'
export type Link = 'linked' | 'cut'
export type Version = '1.6' | '2.0.1'
export const VERSIONS: readonly Version[] = ['1.6', '2.0.1']
export type KillCase = {
  readonly name: string
  readonly version: Version
  readonly kills: readonly Instant[]
  readonly goesOn: GoesOn
  readonly link: Link
}

const EVERY_MOMENT: readonly Moment[] = ['unheard', 'heard', 'written', 'unanswered', 'answered']
/** Nothing of these is written down. */
const OF_FORMALITIES: readonly Moment[] = ['unheard', 'unanswered', 'answered']
const STEPS: readonly (readonly [Step, readonly Moment[]])[] = [
  ['boot', OF_FORMALITIES],
  ['authorize', OF_FORMALITIES],
  ['start', EVERY_MOMENT],
  ['meter', EVERY_MOMENT],
  ['stop', EVERY_MOMENT],
]
const WAYS_ON: readonly (readonly [GoesOn, Link])[] = [
  ['same', 'linked'],
  ['other', 'linked'],
  ['other', 'cut'],
]

/** Both nodes die, one after the other. */
const TWICE: readonly (readonly [Instant, Instant])[] = [
  [at('start', 'unanswered'), at('start', 'unanswered')],
  [at('start', 'answered'), at('meter', 'unanswered')],
  [at('meter', 'unanswered'), at('stop', 'unanswered')],
  [at('stop', 'unanswered'), at('stop', 'unanswered')],
]

export function killCases(): readonly KillCase[] {
  return VERSIONS.flatMap(version =>
    plays().map(one => ({ ...one, version, name: `${version}: ${one.name}` })),
  )
}

function plays(): readonly Omit<KillCase, 'version'>[] {
  const once: Instant[] = STEPS.flatMap(([step, moments]) => moments.map(moment => at(step, moment)))
  const instants = [...once, { kind: 'midway' } as const]
  return [
    ...WAYS_ON.flatMap(([goesOn, link]) =>
      instants
        // What nobody wrote down cannot be missing at the other node.
        .filter(one => link === 'linked' || one.kind !== 'frame' || !['boot', 'authorize'].includes(one.step))
        .map(one => named([one], goesOn, link)),
    ),
    ...(['before', 'during', 'committed'] as const).map(moment =>
      named([{ kind: 'push', moment }], 'same', 'linked'),
    ),
    ...TWICE.flatMap(kills => [named(kills, 'other', 'linked'), named(kills, 'other', 'cut')]),
  ]
}

function at(step: Step, moment: Moment): Instant {
  return { kind: 'frame', step, moment }
}

function named(kills: readonly Instant[], goesOn: GoesOn, link: Link): Omit<KillCase, 'version'> {
  const to =
    goesOn === 'same' ? 'back to it' : link === 'linked' ? 'on at another' : 'on at one cut off from it'
  return { name: `${kills.map(wordsOf).join(', then ')}; ${to}`, kills, goesOn, link }
}

function wordsOf(instant: Instant): string {
  if (instant.kind === 'midway') return 'midway'
  return instant.kind === 'push' ? `push ${instant.moment}` : `${instant.step} ${instant.moment}`
}
