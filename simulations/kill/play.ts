// One case: a charger's session, with the node killed under it where the case says, as a driver and an operator see it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionReport } from '../../src/api/report.ts'
import { cloudRows } from '../../src/cli/status.ts'
import { invariant } from '../../src/errors.ts'
import { openVirtualCharger, type VirtualCharger } from '../charger/virtual.ts'
import type { Dice } from '../dice.ts'
import { startRealNode } from '../real/nodes.ts'
import { waitFor } from '../real/processes.ts'
import type { Instant, KillCase } from './cases.ts'
import { CARD, type Pair, whole } from './ground.ts'
import { type Prey, setTrap, type Trap } from './trap.ts'

export type PlayDeps = {
  readonly pair: Pair
  readonly charger: { readonly identity: string; readonly password: string }
  readonly cloudDir: string
  readonly dice: Dice
}

/** Charging time runs so much faster: some kWh a second. */
const TIME_SCALE = 2000
const METER_INTERVAL_MS = 150
const STEP_MS = 60_000
/** More than any handshake with the cloud says; a push says more. */
const HANDSHAKE_BYTES = 1000

/** Ends when the charger has nothing left to say and both nodes run; throws when the instant never came. */
export async function play(
  one: KillCase,
  { pair, charger, cloudDir, dice }: PlayDeps,
): Promise<VirtualCharger> {
  await whole(pair)
  const preys = pair.posts.map(
    ({ node, gate }): Prey => ({ gate, dir: node.dir, kill: async () => await node.running?.kill() }),
  )
  const [near, far] = preys
  invariant(near !== undefined && far !== undefined, 'two nodes a pair')
  const down: Prey[] = []
  let reviving: Promise<unknown> = Promise.resolve()
  const revive = (prey: Prey): void => {
    const post = pair.posts[preys.indexOf(prey)]
    reviving = reviving.then(async () => {
      if (post) await startRealNode(post.node)
      trap.revived(prey)
    })
    // Awaited below; until then it is no unhandled one.
    reviving.catch(() => undefined)
  }
  const trap = setTrap(one.kills, preys, prey => {
    if (one.goesOn === 'same') return revive(prey)
    // The charger has gone to the other node. Where that dies too, the first one is back.
    for (const earlier of down.splice(0)) revive(earlier)
    down.push(prey)
  })
  const urls = (one.goesOn === 'same' ? [near] : preys).map(({ gate }) => `ws://127.0.0.1:${gate.port}/ocpp`)
  const virtual = openVirtualCharger({
    ...{
      ...charger,
      version: one.version,
      urls,
      connectors: 1,
      timeScale: TIME_SCALE,
      meterIntervalMs: METER_INTERVAL_MS,
    },
    ...{ registerWh: dice.below(90_000_000), retryIntervalMs: 500, callTimeoutMs: 5000, random: dice.random },
    // Whoever cannot be asked lets everybody charge: nobody is turned away, and all of it has to be billed.
    settings: { AllowOfflineTxForUnknownId: 'true' },
  })
  try {
    await drive(one, { pair, preys, trap, virtual, cloudDir })
    await trap.idle()
    for (const prey of down.splice(0)) revive(prey)
    await reviving
    await settled(virtual)
    invariant(trap.left().length === 0, `the instant never came: ${JSON.stringify(trap.left())}`)
    invariant(
      virtual.sessions().every(({ finished }) => finished),
      'the charger has ended its session',
    )
    return virtual
  } finally {
    trap.disarm()
    virtual.close()
    pair.way.watch = () => undefined
    pair.way.relay.mend()
    await trap.idle()
    await reviving.catch(() => undefined)
  }
}

type Stage = {
  readonly pair: Pair
  readonly preys: readonly Prey[]
  readonly trap: Trap
  readonly virtual: VirtualCharger
  readonly cloudDir: string
}

async function drive(one: KillCase, stage: Stage): Promise<void> {
  const { pair, preys, trap, virtual } = stage
  const [near] = preys
  const isPush = one.kills.some(({ kind }) => kind === 'push')
  if (isPush) pair.way.relay.cut()
  await waitFor('the charger has booted', () => virtual.booted(), STEP_MS)
  virtual.plugIn(1)
  const { accepted, status } = await virtual.tap(1, CARD)
  invariant(accepted, `the card was refused: ${status}`)
  if (one.kills[0]?.kind === 'midway' && near) {
    await waitFor('the session is known', () => isKnown(stage, virtual.identity), STEP_MS)
    await trap.spring(near)
  }
  await waitFor('what comes before the stop has come', () => !trap.left().some(isBeforeStop), STEP_MS)
  // What is said next is said to whoever is there now.
  await sleep(3 * METER_INTERVAL_MS)
  await virtual.stop(1)
  await settled(virtual)
  if (isPush && near) await push(stage, near)
}

function isBeforeStop(instant: Instant): boolean {
  return instant.kind === 'midway' || (instant.kind === 'frame' && instant.step !== 'stop')
}

async function settled(virtual: VirtualCharger): Promise<void> {
  await waitFor('everything the charger had to say is confirmed', () => virtual.queued() === 0, STEP_MS)
}

async function isKnown({ pair }: Stage, identity: string): Promise<boolean> {
  const knowing = pair.link === 'linked' ? pair.posts : pair.posts.slice(0, 1)
  const lists = await Promise.all(knowing.map(({ node }) => node.client?.get('/v1/sessions')))
  return (lists as SessionReport[][]).every(list => list.some(({ chargerId }) => chargerId === identity))
}

/** The way to the cloud was closed until now. */
async function push({ pair, trap, virtual, cloudDir }: Stage, near: Prey): Promise<void> {
  const [instant] = trap.left()
  if (instant?.kind !== 'push') return
  if (instant.moment === 'before') return await trap.spring(near)
  const { way, posts } = pair
  const onItsWay = Promise.withResolvers<void>()
  const before = way.relay.bytes().forward
  way.watch = bytes => {
    if (bytes - before < HANDSHAKE_BYTES) return
    way.watch = () => undefined
    if (instant.moment === 'during') void trap.spring(near).then(onItsWay.resolve)
    else {
      // The request goes on, and no answer comes back.
      way.relay.hold({ forward: false, backward: true })
      onItsWay.resolve()
    }
  }
  way.relay.mend()
  await posts[0].node.client?.post('/v1/uplinks/hurry', {})
  await onItsWay.promise
  if (instant.moment === 'during') return
  await waitFor('the cloud has the session', async () => {
    const rows = await cloudRows(cloudDir, '/v1/sessions')
    return rows.some(({ chargerId, state }) => chargerId === virtual.identity && state === 'complete')
  })
  await trap.spring(near)
}
