// The operator of a real site: each step of the plan is a command of the product, handed to the node that the plan names.
// One at a time, since the site's folder has one writer; whoever finds the node down comes again.
import { asOperator } from '../../src/cli/operator.ts'
import { MeshError, reasonOf } from '../../src/errors.ts'
import type { OperatorStep } from '../plan.ts'
import type { Machines } from './machines.ts'
import { run } from './processes.ts'
import type { Stage } from './stage.ts'
import type { Timeline } from './timeline.ts'

const RETRY_MS = 2000
const MAX_TRIES = 60

export type Newsroom = {
  readonly act: (step: OperatorStep) => void
  /** Nothing of the operator's is still to be said. */
  readonly isSilent: () => boolean
}

export type NewsroomDeps = { readonly stage: Stage; readonly timeline: Timeline; readonly machines: Machines }

export function openNewsroom({ stage, timeline, machines }: NewsroomDeps): Newsroom {
  const { plan, siteDir } = stage
  let last: Promise<void> = Promise.resolve()
  let waiting = 0

  const say = async (step: OperatorStep): Promise<void> => {
    const dir = machines.dirOf(step.node)
    const where = ['--site', siteDir, '--via', dir]
    const card = 'card' in step ? (plan.cards[step.card]?.idTag ?? '') : ''
    if (step.kind === 'revoke') await run(['token', 'revoke', card, '--reason', 'lost', ...where])
    if (step.kind === 'grant') await run(['token', 'add', card, '--again', ...where])
    if (step.kind === 'tariff') {
      const from = new Date(timeline.originAt + step.fromMs).toISOString()
      await run(['tariff', 'set', step.pricePerKwh, '--from', from, ...where])
    }
    if (step.kind === 'revoke-device') {
      const since = new Date(timeline.originAt + step.sinceMs).toISOString()
      await run(['node', 'revoke', machines.nameOf(step.device), '--stolen', '--since', since, ...where])
    }
    // No command says nothing but "I am here": what every command does besides its own news is all of it.
    if (step.kind === 'beacon')
      await asOperator({ site: siteDir, via: [dir], json: true }, operator => operator.record([]))
  }

  /** A command that fails half way may be done twice; revocations, grants and tariffs bear that. */
  const insist = async (step: OperatorStep, tries = 1): Promise<void> => {
    let why = 'it is down'
    if (machines.isUp(step.node)) {
      try {
        return await say(step)
      } catch (error) {
        why = reasonOf(error)
      }
    }
    if (tries >= MAX_TRIES)
      throw new MeshError('NODE_UNREACHABLE', `node ${step.node} never took the news "${step.kind}": ${why}`)
    await timeline.pause(RETRY_MS)
    await insist(step, tries + 1)
  }

  return {
    act: step => {
      waiting += 1
      last = last
        .then(() => insist(step))
        .finally(() => {
          waiting -= 1
        })
      // A failure breaks the run through the timeline.
      const told = last
      timeline.after(0, () => told)
    },
    isSilent: () => waiting === 0,
  }
}
