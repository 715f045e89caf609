// The Network port on libp2p 3: TCP, noise, yamux, and two protocols of our own (PROTOCOL 7.1 to 7.3). It promises
// that a message was sent by the device that it names, whose certificate was in force and whose site is ours; it
// promises neither delivery nor order. It refuses strangers before they can cost anything, and drops peers that are
// silent, that do not read, or that send more than they may. Handlers run inside it and must not throw.
import { MeshError } from '../errors.ts'
import { publicKeys } from '../identity/keys.ts'
import type { Network } from '../ports.ts'
import { sameBytes } from '../units.ts'
import type { Asking } from './asking.ts'
import type { Own } from './network-hello.ts'
import { multiaddrOf } from './network-libp2p.ts'
import type { NetworkStats } from './network-limits.ts'
import { Mesh } from './network-mesh.ts'
import type { NetworkOptions } from './network-options.ts'
import { type Address, addressName } from './peers.ts'

export type HostNetwork = Network & {
  /** Closes every connection; no handler is called after the call. */
  readonly close: () => Promise<void>
  /** A question to a connected device (asking.ts). Rejects with NODE_UNREACHABLE. */
  readonly ask: Asking['ask']
  /** Where we listen, as `host:port`. */
  readonly addresses: () => readonly string[]
  readonly stats: () => NetworkStats
}

/** Opens the mesh. Rejects with CERTIFICATE_INVALID, CONFIG_INVALID (an address) or NETWORK_FAILED (cannot listen). */
export async function openNetwork(options: NetworkOptions): Promise<HostNetwork> {
  const own = ownIdentity(options)
  for (const address of [...options.staticPeers, options.listen]) checkAddress(address)
  const mesh = new Mesh(options, own)
  await mesh.open()
  return {
    send: (to, message) => mesh.send(to, message),
    peers: () => mesh.peers(),
    ask: mesh.asking.ask,
    ban: (peer, banMs, reason) => mesh.ban(peer, banMs, reason),
    traffic: () => ({ ...mesh.traffic }),
    close: () => mesh.close(),
    addresses: () => mesh.addresses(),
    stats: () => mesh.stats(),
  }
}

function ownIdentity({ certificates, keys, roster }: NetworkOptions): Own {
  const own = certificates().map(roster.enrol).at(-1)
  if (own?.kind !== 'valid')
    throw new MeshError(
      'CERTIFICATE_INVALID',
      `our own certificate is refused: ${own?.reason ?? 'there is none'}; \`chargemesh doctor\` says what to do`,
    )
  const ownKeys = publicKeys(keys)
  const { peerKey, logKey, deviceId } = own.certificate
  if (!sameBytes(peerKey, ownKeys.peerKey) || !sameBytes(logKey, ownKeys.logKey))
    throw new MeshError(
      'CERTIFICATE_INVALID',
      'our own certificate names other keys than ours; `chargemesh doctor` says what to do',
    )
  return { deviceId, keys: ownKeys }
}

function checkAddress(address: Address): void {
  try {
    multiaddrOf(address)
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${addressName(address)} is no address`, error)
  }
}
