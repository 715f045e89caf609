// What the mesh network needs of the node that opens it.
import type { Certificate } from '../identity/certificate.ts'
import type { DeviceKeys } from '../identity/keys.ts'
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import type { Answer } from './asking.ts'
import type { LastKnown } from './network-dialler.ts'
import type { FindingOptions } from './network-finding.ts'
import type { NetworkLimits } from './network-limits.ts'
import type { Address, StaticPeer } from './peers.ts'

export type NetworkOptions = {
  readonly keys: DeviceKeys
  /** Our own chain, issuer first, our own certificate last; asked for at each hello, since it is renewed. */
  readonly certificates: () => readonly Uint8Array[]
  readonly roster: Roster
  readonly signatures: Signatures
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly listen: Address
  readonly staticPeers: readonly StaticPeer[]
  readonly lastKnown: LastKnown
  /** Finds others by multicast and by what peers say; without it only by static and remembered addresses. */
  readonly finding?: FindingOptions
  readonly maxPeers?: number
  readonly limits?: Partial<NetworkLimits>
  /** Told to peers for the operator's eyes; nothing depends on it. At most 48 characters. */
  readonly software?: string
  /** Consulted in each hello, so that nobody revoked comes in, after a reboot either. */
  readonly isRevoked?: (certificate: Certificate) => boolean
  /** Once per device, when the first connection to it is verified. */
  readonly onPeer: (deviceId: DeviceId, certificate: Certificate) => void
  /** When the last connection to it is gone. */
  readonly onPeerGone: (deviceId: DeviceId) => void
  /** The message's memory belongs to the receiver. */
  readonly onMessage: (from: DeviceId, message: Uint8Array) => void
  /** Answers what a verified device asks (asking.ts); without it nobody is answered. */
  readonly onAsked?: Answer
}
