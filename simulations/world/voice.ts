// How the operator is heard. With somebody's node at hand: that node is told, or as soon as it is up. Or over the internet alone:
// the operator's folder pushes to the cloud as a node would, and again whenever the cloud holds less of its log than it wrote.
import type { OperatorStep, Plan } from '../plan.ts'
import type { Observer, ShownCloud } from './observer.ts'
import type { Operator } from './operator.ts'
import type { Population } from './population.ts'

/** An operator who finds a node or the cloud down comes again so soon. */
const RETRY_MS = 60_000

export type VoiceDeps = {
  readonly plan: Plan
  readonly operator: Operator
  readonly population: Population
  readonly cloud: ShownCloud
  readonly nowMs: () => number
  readonly schedule: (delayMs: number, task: () => void) => void
}

export type Voice = {
  readonly tell: (step: OperatorStep) => void
  /** Also L2: in the end every node knows what the operator said to the cloud. */
  readonly observer: (members: () => ReturnType<Population['members']>) => Observer
}

export function createVoice({ plan, operator, population, cloud, nowMs, schedule }: VoiceDeps): Voice {
  const isRemote = plan.operatorVia === 'cloud'
  const all = () => operator.all(plan.startsAt + nowMs())
  const written = (): number => operator.events().length - 1
  let isSaying = false

  const toCloud = (): void => {
    if (isSaying) return
    isSaying = true
    const { segments, certificates, objects } = all()
    const push = { segments, certificates, objects, sinceVersion: Number.MAX_SAFE_INTEGER }
    const done = (): void => {
      isSaying = false
    }
    cloud.push(push).then(done, done)
  }
  const review = (): void => {
    if ((cloud.headsNow().get(operator.logId)?.seq ?? -1) < written()) toCloud()
    schedule(RETRY_MS, review)
  }
  if (isRemote) schedule(0, review)

  return {
    tell: step => {
      const told = population.member(step.node) ?? population.members().find(member => member.node())
      operator.act(step, nowMs(), told?.node())
      const to = (): void => {
        const member = population.member(step.node) ?? population.members()[0]
        if (member?.node()) void member.submit(all())
        else schedule(RETRY_MS, to)
      }
      if (isRemote) toCloud()
      else to()
    },
    observer: members => ({
      name: 'voice',
      calmed: () => {
        if (isRemote) toCloud()
      },
      awaits: () => {
        if (!isRemote) return undefined
        const deaf = members().find(
          member => (member.node()?.ledger().logs.get(operator.logId)?.head.seq ?? -1) < written(),
        )
        return deaf && `L2 node ${deaf.name} has not heard event ${written()} of the operator by any uplink`
      },
    }),
  }
}
