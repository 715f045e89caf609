// A site of three nodes and a device whose key was stolen: two histories of one log, and who was told which.
import type { AnyBody } from '../../src/log/body.ts'
import type { EpochId, LogId } from '../../src/units.ts'
import { sessionBodies, type TestDevice, type TestLog } from '../site.ts'
import { createWorld, type Member, operatorOf, type World } from './world.ts'

const EPOCH = 'e7'.repeat(16) as EpochId

export async function submit(member: Member, log: TestLog, fromSeq = 0): Promise<readonly string[]> {
  const { refused } = await member.node().submit({
    ...{ certificates: [], objects: [], segments: log.segments(fromSeq) },
  })
  return refused
}

/** `count` ticks in groups that end in a seal. */
export function ticks(count: number, energyWh: number): readonly AnyBody[] {
  const session = sessionBodies({ chargerId: 'CP-thief' })
  return Array.from({ length: count }, (_, i) => session.tick(energyWh + i))
}

type Branches = { readonly ours: TestLog; readonly theirs: TestLog; readonly forkSeq: number }

/** One key, one epoch, two histories: `shared` events in common, then so many in each branch. */
export function branches(
  world: World,
  thief: TestDevice,
  lengths: { readonly shared: number; readonly ours: number; readonly theirs: number },
): Branches {
  const open = (): TestLog => {
    const log = world.site.openLog(thief, { epochId: EPOCH })
    const before = sessionBodies({ chargerId: 'CP-before' })
    log.append([before.start, before.end])
    if (lengths.shared > 0) log.append(ticks(lengths.shared, 1))
    return log
  }
  const [ours, theirs] = [open(), open()]
  const forkSeq = ours.events().length
  for (const [log, count, chargerId] of [
    [ours, lengths.ours, 'CP-ours'],
    [theirs, lengths.theirs, 'CP-theirs'],
  ] as const) {
    log.append([sessionBodies({ chargerId }).start])
    for (let done = 0; done < count; done += 50) log.append(ticks(Math.min(50, count - done), 1000 + done))
  }
  return { ours, theirs, forkSeq }
}

export async function siteOf(
  seed: string,
): Promise<{ world: World; nodes: [Member, Member, Member]; thief: TestDevice }> {
  const world = createWorld(seed)
  const nodes: [Member, Member, Member] = [
    await world.member('a'),
    await world.member('b'),
    await world.member('c'),
  ]
  const thief = world.site.device('thief')
  const operator = await operatorOf(world, nodes[0])
  await operator.record([{ name: 'device_cert', body: { certificate: thief.certificate.encoded } }], nodes[0])
  await world.run(10_000)
  return { world, nodes, thief }
}

export function forkIn(member: Member, logId: LogId): number | undefined {
  return member.node().ledger().logs.get(logId)?.fork?.seq
}
