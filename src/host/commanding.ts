// Commands to chargers, wherever they are connected. A node asks those that it knows who holds a charger; the operator
// signs an order for that one; any node carries it there, and the holder alone checks and obeys it (PROTOCOL 7.8). What a
// node asks in its own name is only ever a question: a stolen one can stop nothing elsewhere.
import { z } from 'zod'
import { reportHere } from '../api/charger.ts'
import { COMMAND, type Commanding, type Holder, type OrderOutcome } from '../api/commands.ts'
import type { ApiDeps } from '../api/server.ts'
import { InvariantBroken, reasonOf } from '../errors.ts'
import { utf8Bytes } from '../identity/hash.ts'
import { readOrder } from '../identity/order.ts'
import { openSealed, sealTo } from '../identity/seal.ts'
import type { Node, NodeDeps } from '../node.ts'
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import { type ChargerId, chargerId, type DeviceId } from '../units.ts'
import type { Answer } from './asking.ts'
import type { Doors } from './doors.ts'
import { createNonces } from './nonces.ts'

/** Who holds a charger says so at once. */
const FIND_MS = 3000
/** A charger has 15 s; the command line waits for 20. */
const ORDER_MS = 18_000

const QUESTION = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('where'), chargerId: z.string().max(48) }),
  z.strictObject({ kind: z.literal('order'), order: z.string().max(200_000) }),
  /** Of a central system, by a node that the operator lets speak with it; sealed to the holder. */
  z.strictObject({
    kind: z.literal('forwarded'),
    chargerId: z.string().max(48),
    sealed: z.string().max(1000),
  }),
])
/** All that a central system may want of a charger. */
const FORWARDABLE = ['remoteStart', 'remoteStop']
const HOLDER = z.object({
  certificates: z.array(z.string().max(1600)).max(64),
  nonce: z.string().max(32),
  connectedForMs: z.number(),
  report: z.record(z.string(), z.unknown()),
})
const HELD = z.object({ holder: HOLDER.nullable() })
type Held = z.infer<typeof HELD>
const OUTCOME = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('accepted'), detail: z.unknown().optional() }),
  z.object({ kind: z.literal('rejected'), status: z.string().max(64), detail: z.unknown().optional() }),
  z.object({ kind: z.literal('unreachable'), reason: z.string().max(300) }),
  z.object({ kind: z.literal('refused'), reason: z.string().max(64) }),
])

export type CommandingDeps = Pick<
  NodeDeps,
  'roster' | 'signatures' | 'certificate' | 'clock' | 'random' | 'logger'
> &
  Pick<ApiDeps, 'mayCharge' | 'tokenReference'> & {
    readonly sealKey: Uint8Array
    readonly node: Node
    /** Chargers and peers come through doors that open later. */
    readonly doors: Pick<Doors, 'central' | 'network'>
  }

export function createCommanding(deps: CommandingDeps): Commanding & { readonly answer: Answer } {
  const { clock, logger, certificate } = deps
  const self = certificate.deviceId
  const nonces = createNonces(deps.random)

  const execute = async (id: ChargerId, command: ChargerCommand): Promise<CommandOutcome> => {
    if (command.kind === 'remoteStart' || command.kind === 'reserve') {
      // The card's own id goes to the charger and nowhere else; what is decided and logged rests on its reference.
      const decision = deps.mayCharge(id, await deps.tokenReference(command.idTag))
      if (decision.allowed !== 'ALLOWED')
        return { kind: 'rejected', status: decision.allowed, detail: decision.reason }
    }
    const outcome = await deps.doors.central?.command(id, command)
    return outcome ?? { kind: 'unreachable', reason: 'the node is starting' }
  }

  const holderHere = (id: ChargerId, asker: DeviceId): Held['holder'] => {
    const link = deps.doors.central?.status().find(one => one.chargerId === id && one.connected)
    if (!link) return null
    const chain = deps.node.ledger().chainOf(deps.node.ledger().ownCertificate())
    return {
      certificates: chain.map(base64),
      nonce: base64(nonces.draw(asker, id, clock.monotonicMs())),
      connectedForMs: Math.max(0, clock.wallMs() - link.sinceAt),
      report: reportHere(deps.node, deps.roster, link),
    }
  }

  const obey = async (encoded: Uint8Array): Promise<OrderOutcome> => {
    const times = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
    const ledger = deps.node.ledger()
    const verdict = readOrder(
      {
        ...{ roster: deps.roster, signatures: deps.signatures, self, sealKey: deps.sealKey },
        isFresh: (nonce, id) => nonces.isFresh(nonce, id, times.monotonicMs),
        isVoid: ledger.isVoid,
        nowAt: ledger.news(times).nowAt,
      },
      encoded,
    )
    if (verdict.kind === 'refused') return refuse(verdict.reason)
    nonces.use(verdict.nonce)
    const { signer } = verdict
    const command = commandIn(verdict.command)
    if (!command) return refuse('malformed')
    // A revoker may take away and end, and give nothing.
    if (!signer.roles.includes('issuer') && command.kind !== 'remoteStop') return refuse('not-its-role')
    if (!deps.doors.central?.connected().includes(verdict.chargerId)) return refuse('not-here')
    const asked = { charger: verdict.chargerId, command: command.kind, by: signer.name }
    logger.info('the operator commands a charger', asked)
    return await execute(verdict.chargerId, command)
  }

  /** The operator named who speaks with central systems (`policy set forwarders`): that is their order, and for no more. */
  const obeyForwarder = async (from: DeviceId, id: ChargerId, sealed: string): Promise<OrderOutcome> => {
    const ledger = deps.node.ledger()
    const isNamed = ledger.view().forwarding.turns.order().includes(from)
    const certificate = deps.roster.byDevice(from)
    if (!isNamed || !certificate || ledger.isVoid(certificate)) return refuse('not-its-role')
    const opened = openSealed(deps.sealKey, new Uint8Array(Buffer.from(sealed, 'base64')))
    const command = opened && commandIn(new TextDecoder().decode(opened))
    if (!command || !FORWARDABLE.includes(command.kind)) return refuse('malformed')
    if (!deps.doors.central?.connected().includes(id)) return refuse('not-here')
    logger.info('a central system commands a charger', { charger: id, command: command.kind, by: from })
    return await execute(id, command)
  }

  const forward = async (to: Holder, id: ChargerId, command: ChargerCommand): Promise<CommandOutcome> => {
    const certificate = deps.roster.byDevice(to.deviceId)
    if (!certificate) return { kind: 'unreachable', reason: `${to.name} is not known here` }
    const plain = utf8Bytes(JSON.stringify(command))
    const sealed = base64(sealTo(certificate.sealKey, deps.random.bytes(32), plain))
    try {
      const said = await ask(to.deviceId, { kind: 'forwarded', chargerId: id, sealed }, ORDER_MS)
      const outcome = OUTCOME.parse(said) as OrderOutcome
      if (outcome.kind !== 'refused') return outcome
      return { kind: 'unreachable', reason: `${to.name} refuses: ${outcome.reason}` }
    } catch (error) {
      if (error instanceof InvariantBroken) throw error
      return {
        kind: 'unreachable',
        reason: `no answer from ${to.name}: whether the charger does it is not known`,
      }
    }
  }

  const find = async (id: ChargerId): Promise<readonly Holder[]> => {
    const here = holderHere(id, self)
    const peers = deps.doors.network?.peers() ?? []
    const there = await Promise.all(peers.map(peer => askHolder(peer, id)))
    const found = [...(here ? [named(self, here)] : []), ...there.flat()]
    return found.toSorted((a, b) => a.connectedForMs - b.connectedForMs)
  }

  const refuse = (reason: Extract<OrderOutcome, { kind: 'refused' }>['reason']): OrderOutcome => {
    logger.warn('an order was refused', { reason })
    return { kind: 'refused', reason }
  }

  const askHolder = async (peer: DeviceId, id: ChargerId): Promise<readonly Holder[]> => {
    try {
      const said = await ask(peer, { kind: 'where', chargerId: id }, FIND_MS)
      const { holder } = HELD.parse(said)
      return holder ? [named(peer, holder)] : []
    } catch (error) {
      if (error instanceof InvariantBroken) throw error
      logger.debug('nobody there said who holds a charger', { peer, reason: reasonOf(error) })
      return []
    }
  }

  const named = (deviceId: DeviceId, holder: NonNullable<Held['holder']>): Holder => {
    const name = deps.roster.byDevice(deviceId)?.name ?? deviceId.slice(0, 8)
    return { deviceId, name, ...holder }
  }

  const ask = async (
    to: DeviceId,
    question: z.infer<typeof QUESTION>,
    withinMs: number,
  ): Promise<unknown> => {
    const network = deps.doors.network
    if (!network) throw new Error('the node is starting')
    const answer = await network.ask(to, utf8Bytes(JSON.stringify(question)), withinMs)
    return JSON.parse(new TextDecoder().decode(answer)) as unknown
  }

  return {
    execute,
    find,
    forward: async (id, command) => {
      const [holder] = await find(id)
      if (!holder) return { kind: 'unreachable', reason: 'the charger is connected to no node within reach' }
      return holder.deviceId === self ? await execute(id, command) : await forward(holder, id, command)
    },
    carry: async (to, order) => {
      if (to === self) return await obey(order)
      try {
        const said = await ask(to, { kind: 'order', order: base64(order) }, ORDER_MS)
        return OUTCOME.parse(said) as OrderOutcome
      } catch (error) {
        if (error instanceof InvariantBroken) throw error
        logger.info('an order has no answer', { node: to, reason: reasonOf(error) })
        const name = deps.roster.byDevice(to)?.name ?? to.slice(0, 8)
        const reason = `no answer from ${name}: whether the charger does it is not known; ask again what it does`
        return { kind: 'unreachable', reason }
      }
    },
    answer: async (from, bytes) => {
      const question = questionIn(bytes)
      if (!question) return utf8Bytes(JSON.stringify({ kind: 'refused', reason: 'malformed' }))
      if (question.kind === 'order')
        return utf8Bytes(JSON.stringify(await obey(new Uint8Array(Buffer.from(question.order, 'base64')))))
      const id = chargerId(question.chargerId)
      if (question.kind === 'forwarded') {
        const outcome = id ? await obeyForwarder(from, id, question.sealed) : refuse('malformed')
        return utf8Bytes(JSON.stringify(outcome))
      }
      return utf8Bytes(JSON.stringify({ holder: id === undefined ? null : holderHere(id, from) }))
    },
  }
}

function questionIn(bytes: Uint8Array): z.infer<typeof QUESTION> | undefined {
  return QUESTION.safeParse(jsonIn(new TextDecoder().decode(bytes))).data
}

function commandIn(text: string): ChargerCommand | undefined {
  return COMMAND.safeParse(jsonIn(text)).data as ChargerCommand | undefined
}

/** Undefined when it is none; the parser's message would repeat what stands in it. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
