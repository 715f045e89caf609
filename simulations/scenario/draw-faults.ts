// All faults of a run, in order of time: those of the timeline first, then the random ones wherever they contradict nothing.
// Each kind has dice of its own, so that one more fault of a kind leaves the other kinds as they were drawn.
import { MeshError } from '../../src/errors.ts'
import type { Dice } from '../dice.ts'
import type { FaultStep } from '../plan.ts'
import { occurrences } from './draw-uplinks.ts'
import { claimAll, type Lanes } from './fault-lanes.ts'
import type { Scene } from './fault-targets.ts'
import type { TimedWish, Wish } from './fault-wishes.ts'
import { FAULT_WORDS, type FaultWord, LIES, WEATHER, WORDS } from './fault-words.ts'
import { makeFault } from './make-fault.ts'
import { drawn, drawnWhole } from './range.ts'
import { durationText, NEVER, type Often, parseOften, SECOND } from './reading.ts'
import type { ScenarioForm } from './scenario-form.ts'

/** Another time and another victim are tried so often, then this fault is left out. */
const TRIES = 5
/** A run with more faults than this tells nothing any more. */
const MAX_FAULTS = 20_000

export function drawFaults(form: ScenarioForm, scene: Scene, dice: Dice): readonly FaultStep[] {
  const lanes: Lanes = new Map()
  const steps: FaultStep[] = []
  for (const [i, timed] of form.timeline.entries())
    steps.push(...happen(timed, { scene, lanes, dice: dice.fork(`timeline ${i + 1}`) }))
  const kindsShare = drawn(form.faults.kinds, dice.fork('kinds'))
  for (const word of FAULT_WORDS) {
    const own = dice.fork(word)
    if (!own.chance(kindsShare)) continue
    const count = Math.min(MAX_FAULTS, occurrences(oftenOf(word, form), scene, own))
    const wish = form.faults.wishes.find(one => one.wish.word === word)?.wish ?? plain(word)
    for (let i = 0; i < count; i++)
      steps.push(...strike(wish, { scene, lanes, dice: own.fork(`fault ${i + 1}`) }))
  }
  // Stable, so that what happens in one millisecond keeps its order.
  return steps.sort((a, b) => a.atMs - b.atMs).slice(0, MAX_FAULTS)
}

function plain(word: FaultWord): Wish {
  return {
    ...{ word, aim: { kind: 'drawn' }, params: {} },
    ...{
      shapes: ['halves', 'islands', 'one-out', 'bridge', 'ring', 'star'],
      moments: ['before', 'during', 'after'],
    },
    directions: [],
    lies: LIES,
  }
}

/** What is named counts as it stands; `each` and the weather are for the rest. */
function oftenOf(word: FaultWord, { faults }: ScenarioForm): Often {
  const named = faults.wishes.find(one => one.wish.word === word)
  if (named) return named.often
  if (faults.each) return faults.each
  const usual = parseOften(WORDS[word].often) ?? NEVER
  const factor = WEATHER[faults.weather]
  return { ...usual, times: { min: usual.times.min * factor, max: usual.times.max * factor } }
}

type Place = { readonly scene: Scene; readonly lanes: Lanes; readonly dice: Dice }

/** A random fault: all of it or nothing, so that a blackout is never half of one. */
function strike(wish: Wish, { scene, lanes, dice }: Place): readonly FaultStep[] {
  const firstMs = Math.min(10 * SECOND, Math.floor(scene.durationMs / 100))
  for (let i = 0; i < TRIES; i++) {
    const atMs = firstMs + dice.below(Math.max(1, scene.durationMs - firstMs))
    const steps = makeFault(wish, { atMs, scene, dice }).map(fault => ({ atMs, ...fault }))
    if (steps.length > 0 && claimAll(lanes, steps)) return steps
  }
  return []
}

/** A fault of the timeline. Where all of it was said and not drawn, a contradiction is the writer's to mend. */
function happen({ at, wish }: TimedWish, { scene, lanes, dice }: Place): readonly FaultStep[] {
  const atMs = drawnWhole(at, dice)
  const steps = makeFault(wish, { atMs, scene, dice }).map(fault => ({ atMs, ...fault }))
  const isSaid = at.min === at.max && (wish.aim.kind !== 'members' || wish.aim.members.kind === 'list')
  return steps.filter(step => {
    if (claimAll(lanes, [step])) return true
    if (!isSaid || wish.aim.kind === 'drawn') return false
    const who =
      'node' in step ? ` of node ${step.node}` : 'charger' in step ? ` of charger ${step.charger}` : ''
    const message = `timeline: at ${durationText(atMs)} ${wish.word}${who} falls into another fault that is not over`
    throw new MeshError('CONFIG_INVALID', message)
  })
}
