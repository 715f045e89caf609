// What a charger has to show at the door, by the security profile that it is registered for (OCPP 2.0.1 part 2, A00; 1.6
// security whitepaper, 3). Pure: nothing is checked here but what was proven already; passwords are checked elsewhere.
import { type ChargerId, sameBytes } from '../units.ts'

export type ShownCertificate = {
  /** Its alternative DNS names; its common names where it has none. */
  readonly names: readonly string[]
  /** SHA-256 of the certificate. */
  readonly fingerprint: Uint8Array
  /** Why it proves nothing: expired, of another authority. */
  readonly fault?: string
}
export type Peer = {
  readonly address: string
  readonly isTls: boolean
  /** On this machine: nothing of it can be heard on a network. */
  readonly isHere: boolean
  readonly certificate?: ShownCertificate
}
/** As the operator has registered it. */
export type Registration = {
  readonly profile?: number | undefined
  /** No others count. */
  readonly certificates?: readonly Uint8Array[] | undefined
}

export type CertificateFault = 'no-certificate' | 'bad-certificate' | 'wrong-certificate' | 'void-certificate'
export type ProfileRefusal = CertificateFault | 'tls-needed' | 'no-password'
export type Demand =
  | { readonly kind: 'password' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly reason: ProfileRefusal; readonly detail?: string }

export type Asked = {
  readonly chargerId: ChargerId
  /** Undefined for a stranger, who is treated as one with a wrong password. */
  readonly registered: Registration | undefined
  readonly peer: Peer
  readonly hasPassword: boolean
  /** The operator has said that chargers may speak in the clear here. */
  readonly isOpen: boolean
}

/**
 * | profile | to be let in |
 * |---|---|
 * | 3 | a certificate of the site's authority, in its name, that the operator has recorded |
 * | 2 | that, or TLS and its password; from this very machine without TLS |
 * | 1, none said | that, or its password |
 * | 0 | nothing, but only from this machine or where chargers may speak in the clear |
 */
export function demandOf({ chargerId, registered, peer, hasPassword, isOpen }: Asked): Demand {
  if (!registered) return password(hasPassword)
  const fault = faultOf(chargerId, registered, peer)
  if (fault === undefined) return { kind: 'nothing' }
  const { profile = 1 } = registered
  if (profile <= 0) return peer.isHere || isOpen ? { kind: 'nothing' } : refused('no-password')
  if (profile === 1) return password(hasPassword)
  if (!peer.isTls && !(profile === 2 && peer.isHere)) return refused('tls-needed')
  if (profile === 2) return password(hasPassword)
  const detail = peer.certificate?.fault
  return { ...refused(fault), ...(detail !== undefined && { detail }) }
}

function password(hasPassword: boolean): Demand {
  return hasPassword ? { kind: 'password' } : refused('no-password')
}

/** Why its certificate does not let it in; undefined when it does. */
function faultOf(
  chargerId: ChargerId,
  { certificates = [] }: Registration,
  { certificate }: Peer,
): CertificateFault | undefined {
  if (!certificate) return 'no-certificate'
  if (certificate.fault !== undefined) return 'bad-certificate'
  if (!certificate.names.includes(chargerId)) return 'wrong-certificate'
  // Also where none is named: who is registered anew must not be posed as with a certificate of before.
  const isNamed = certificates.some(one => sameBytes(one, certificate.fingerprint))
  return isNamed ? undefined : 'void-certificate'
}

function refused(reason: ProfileRefusal): { readonly kind: 'refused'; readonly reason: ProfileRefusal } {
  return { kind: 'refused', reason }
}
