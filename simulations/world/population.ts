// Who lives in a world: honest nodes with their copies, nodes that run somebody else's software, and charge points.
import type { Uplink } from '../../src/ports.ts'
import type { DeviceId } from '../../src/units.ts'
import type { Dice } from '../dice.ts'
import type { DiskImage } from '../disk/disk.ts'
import { createHostile } from '../hostile.ts'
import type { SimulatedNetwork } from '../network/network.ts'
import type { Plan } from '../plan.ts'
import { createStation, type Station } from '../station/station.ts'
import { createLan } from './lan.ts'
import { createMember, type LiveMember } from './member.ts'
import type { Observer } from './observer.ts'
import type { SimulatedSite } from './site.ts'
import type { Trace } from './trace.ts'

export type PopulationDeps = {
  readonly plan: Plan
  readonly site: SimulatedSite
  readonly network: SimulatedNetwork
  readonly dice: Dice
  readonly trace: Trace
  readonly nowMs: () => number
  readonly schedule: (delayMs: number, task: () => void) => void
  /** The same for what keeps a promise. */
  readonly wake: (delayMs: number, task: () => void) => void
  readonly touched: (member: LiveMember) => void
  readonly observe: (act: (observer: Observer) => void) => void
  readonly broke: (where: string, error: unknown) => void
  /** It is up; a node that joins is handed what the operator has said by then. */
  readonly joined: (member: LiveMember) => void
  readonly uplinksOf: (node: number) => readonly Uplink[]
}

export type Population = {
  /** Honest nodes by number, then the clones that live now. */
  readonly members: () => readonly LiveMember[]
  readonly member: (node: number) => LiveMember | undefined
  readonly stations: readonly Station[]
  readonly clone: (of: LiveMember, image: DiskImage) => { readonly dispose: () => void }
  readonly quietHostiles: () => void
  readonly hostileActs: () => number
}

export function populate(deps: PopulationDeps): Population {
  const { plan, trace, nowMs, schedule, observe, dice } = deps
  const lan = createLan({
    schedule: deps.wake,
    asked: (member, input) => observe(one => one.asked?.(member, input)),
    answered: (member, input, answer) => {
      trace.line(nowMs(), `${member.name} answers ${input.chargerId} ${input.message.kind} ${answer.kind}`)
      observe(one => one.answered?.(member, input, answer))
    },
    commanded: (member, command) => {
      const { chargerId, outcome } = command
      trace.line(nowMs(), `${member.name} asks ${chargerId} ${command.command.kind} ${outcome.kind}`)
      observe(one => one.commanded?.(member, command))
    },
  })
  const born = (number: number, from?: DiskImage): LiveMember =>
    createMember({
      ...{ number, plan, nowMs, schedule, isClone: from !== undefined },
      ...{ site: deps.site, network: deps.network, touched: deps.touched },
      dice: dice.fork(from ? `clone-${number}-${nowMs()}` : `node-${number}`),
      credential: deps.site.devices[number - 1] as SimulatedSite['devices'][number],
      sending: (member, to, bytes) => {
        trace.message(nowMs(), member.deviceId, to, bytes)
        observe(one => one.sending?.(member, to, bytes))
      },
      pushing: (member, push, way) => observe(one => one.pushing?.(member, push, way)),
      banning: (member, peer, reason) => observe(one => one.banning?.(member, peer, reason)),
      booted: member => {
        trace.line(nowMs(), `${member.name} up, ${member.node()?.health().recovered}`)
        observe(one => one.booted?.(member))
        deps.joined(member)
      },
      leaving: (member, how) => {
        trace.line(nowMs(), `${member.name} ${how}`)
        observe(one => one.leaving?.(member, how))
      },
      gone: (member, how) => {
        lan.closeAll(member)
        observe(one => one.gone?.(member, how))
      },
      broke: (member, error) => deps.broke(`node ${member.name}`, error),
      chargers: {
        ...{ connected: lan.connected, disconnect: lan.disconnect },
        command: (member, chargerId, command) => {
          observe(one => one.commanding?.(member, chargerId, command))
          return lan.command(member, chargerId, command)
        },
      },
      uplinks: () => deps.uplinksOf(number),
      log: (member, word, event) => {
        if (word !== 'debug') trace.line(nowMs(), `${member.name} ${word}: ${event}`)
      },
      ...(from && { from }),
    })

  const isHostile = new Set(plan.hostile.map(one => one.node))
  const nodes = new Map<number, LiveMember>()
  for (let number = 1; number <= plan.nodes; number++)
    if (!isHostile.has(number)) nodes.set(number, born(number))
  const clones = new Set<LiveMember>()
  const hostiles = plan.hostile.map(one => openHostile(deps, one))

  const stations = plan.chargers.map(charger =>
    createStation({
      ...{
        plan: charger,
        startsAt: plan.startsAt,
        nowMs,
        schedule,
        dice: dice.fork(`charger-${charger.id}`),
      },
      tokenRef: deps.site.tokenRef,
      idTagOf: card => plan.cards[card]?.idTag ?? '',
      connect: (number, ears) => {
        // Two live copies of a node answer under one address; whichever is quicker.
        const copies = [...clones].filter(clone => clone.number === number)
        const all = [...copies, ...(nodes.has(number) ? [nodes.get(number) as LiveMember] : [])]
        const to = all.length > 1 ? dice.pick(all) : all[0]
        return to && lan.connect(charger.id as Station['id'], to, ears)
      },
    }),
  )
  return {
    stations,
    members: () => [...nodes.values(), ...clones],
    member: number => nodes.get(number),
    clone: (of, image) => {
      const clone = born(of.number, image)
      clones.add(clone)
      clone.boot()
      return {
        dispose: () => {
          clone.end('disposed')
          clones.delete(clone)
        },
      }
    },
    quietHostiles: () => {
      for (const hostile of hostiles) hostile.quiet()
    },
    hostileActs: () => hostiles.reduce((sum, hostile) => sum + hostile.acts(), 0),
  }
}

function openHostile(deps: PopulationDeps, one: Plan['hostile'][number]): ReturnType<typeof createHostile> {
  const { plan, site, nowMs, schedule } = deps
  const self = site.devices[one.node - 1] as SimulatedSite['devices'][number]
  const roster = site.roster(self)
  const certificates = [site.issuer.certificate.encoded, self.certificate.encoded]
  const wallMs = (): number => plan.startsAt + nowMs()
  let hostile: ReturnType<typeof createHostile> | undefined
  const port = deps.network.attach({
    ...{ certificates, roster, wallMs },
    onPeer: peer => hostile?.onPeer(peer),
    onPeerGone: peer => hostile?.onPeerGone(peer),
    onMessage: (peer: DeviceId, bytes) => hostile?.onMessage(peer, bytes),
  })
  hostile = createHostile({
    ...{ plan: one, self, schedule, nowMs, wallMs, signatures: site.signatures },
    site: { certificates, roster, siteId: site.siteId },
    dice: deps.dice.fork(`hostile-${one.node}`),
    network: {
      ...port,
      send: (to, bytes) => {
        deps.trace.message(nowMs(), self.certificate.deviceId, to, bytes)
        port.send(to, bytes)
      },
    },
  })
  return hostile
}
