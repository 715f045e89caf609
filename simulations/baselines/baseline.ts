// Other designs under the same plan: what drivers and bills would have come to. Each is a model of its rules and no more, as
// honest to it as its file says; where in doubt, it gets the better of it.
import type { Service } from '../outcome.ts'
import type { Plan } from '../plan.ts'
import { gateway } from './gateway.ts'
import { type Ground, groundOf } from './ground.ts'
import { lists } from './lists.ts'
import { online } from './online.ts'

export const BASELINES = ['gateway', 'online', 'lists'] as const
export type Baseline = (typeof BASELINES)[number]

const DESIGNS: Readonly<Record<Baseline, (ground: Ground) => Service>> = {
  gateway,
  online,
  lists: ground => lists(ground),
}

export function baselineOf(kind: Baseline, plan: Plan): Service {
  return DESIGNS[kind](groundOf(plan))
}
