// One dial, from an address to a verified device.
import type { Libp2p } from 'libp2p'
import { reasonOf } from '../errors.ts'
import type { Certificate } from '../identity/certificate.ts'
import type { Clock, Logger } from '../ports.ts'
import type { Gate } from './network-gate.ts'
import { multiaddrOf } from './network-libp2p.ts'
import { type Address, addressName, type DialOutcome } from './peers.ts'

export type DialDeps = {
  readonly node: Libp2p
  readonly gate: Gate
  readonly clock: Clock
  readonly logger: Logger
  readonly dialMs: number
  /** The certificate that the hello on this connection has proven, or undefined when it has failed. */
  readonly verified: (connectionId: string) => Promise<Certificate | undefined> | undefined
}

/** Never rejects. */
export async function dial(deps: DialDeps, address: Address): Promise<DialOutcome> {
  const { node, gate, clock, logger, dialMs } = deps
  let dialled: string | undefined
  try {
    const target = multiaddrOf(address)
    dialled = target.toString()
    gate.allowDial(dialled)
    const connection = await node.dial(target, { signal: AbortSignal.timeout(dialMs) })
    const certificate = await deps.verified(connection.id)
    if (!certificate) return { kind: 'failed' }
    return { kind: 'reached', deviceId: certificate.deviceId, nowAt: clock.wallMs() }
  } catch (error) {
    // libp2p refuses its own key by this name, whatever address led to it.
    if (error instanceof Error && error.name === 'InvalidPeerIdError') return { kind: 'ourselves' }
    logger.debug('network.dial', { address: addressName(address), reason: reasonOf(error) })
    return { kind: 'failed' }
  } finally {
    // Hints would fill the list of what may be dialled.
    if (dialled !== undefined) gate.forbidDial(dialled)
  }
}
