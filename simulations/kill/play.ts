// One case: a charger's session, with the node killed under it where the case says, as a driver and an operator see it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionReport } from '../../src/api/report.ts'
import { cloudRows } from '../../src/cli/receiver.ts'
import { invariant } from '../../src/errors.ts'
import { openVirtualCharger, type VirtualCharger } from '../charger/virtual.ts'
import type { Dice } from '../dice.ts'
import { startRealNode } from '../real/nodes.ts'
import { waitFor } from '../real/processes.ts'
import type { GoesOn, Instant, KillCase } from './cases.ts'
import type { Gate } from './gate.ts'
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
const STEP_MS = 120_000
/** As firmware comes: a message that fails so often is given up, and its session with it (OCPP 1.6, 3.7.1). */
const ATTEMPTS = 3
/** More than any handshake with the cloud says; a push says more. */
const HANDSHAKE_BYTES = 1000

/** Ends when the charger has nothing left to say and both nodes run; throws when the instant never came. */
export async function play(one: KillCase, deps: PlayDeps): Promise<VirtualCharger> {
  const { pair, cloudDir } = deps
  await whole(pair)
  const preys = pair.posts.map(
    ({ node, gate }): Prey => ({ gate, dir: node.dir, kill: async () => await node.running?.kill() }),
  )
  const rescue = createRescue(pair, one.goesOn)
  const trap = setTrap(one.kills, preys, prey => rescue.killed(preys.indexOf(prey)))
  const gates = preys.slice(0, one.goesOn === 'same' ? 1 : 2).map(({ gate }) => gate)
  const virtual = openCharger(one, deps, gates)
  try {
    await drive(one, { pair, preys, trap, virtual, cloudDir })
    await trap.idle()
    await rescue.all()
    await settled(virtual)
    invariant(trap.left().length === 0, `the instant never came: ${JSON.stringify(trap.left())}`)
    invariant(
      virtual.sessions().length === 1 && virtual.sessions().every(({ finished }) => finished),
      'the charger has ended its one session, and gave nothing up',
    )
    return virtual
  } finally {
    virtual.close()
    pair.way.watch = () => undefined
    pair.way.relay.mend()
    await trap.idle()
    trap.disarm()
    // What failed was said above; the next case finds both nodes up or starts them.
    await rescue.all().catch(() => undefined)
  }
}

type Rescue = {
  /** By number in the pair. */
  readonly killed: (number: number) => void
  /** Resolves when every node that was killed runs again. */
  readonly all: () => Promise<void>
}

/** Starts what was killed: at once where the charger waits for it, else when the charger needs it or is done. */
function createRescue({ posts }: Pair, goesOn: GoesOn): Rescue {
  const down: number[] = []
  let reviving: Promise<unknown> = Promise.resolve()
  const reviveAll = (): void => {
    for (const number of down.splice(0)) {
      const node = posts[number]?.node
      reviving = reviving.then(() => node && startRealNode(node))
    }
    // Heard of in `all`; until then it is no unhandled one.
    reviving.catch(() => undefined)
  }
  return {
    killed: number => {
      // The charger has gone to the other node. Where that one dies too, the first is back.
      if (goesOn === 'other') reviveAll()
      down.push(number)
      if (goesOn === 'same') reviveAll()
    },
    all: async () => {
      reviveAll()
      await reviving
    },
  }
}

function openCharger(one: KillCase, { charger, dice }: PlayDeps, gates: readonly Gate[]): VirtualCharger {
  return openVirtualCharger({
    ...{ ...charger, version: one.version, connectors: 1, registerWh: dice.below(90_000_000) },
    urls: gates.map(({ port }) => `ws://127.0.0.1:${port}/ocpp`),
    ...{ timeScale: TIME_SCALE, meterIntervalMs: METER_INTERVAL_MS },
    ...{ retryIntervalMs: 500, attempts: ATTEMPTS, random: dice.random },
    // Whoever cannot be asked lets everybody charge: nobody is turned away, and all of it has to be billed.
    settings: { AllowOfflineTxForUnknownId: 'true' },
  })
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
