// The hello of one connection, with what this node says of itself in it.
import type { Connection } from '@libp2p/interface'
import type { PublicKeys } from '../identity/keys.ts'
import type { DeviceId } from '../units.ts'
import { createHello, type Hello, NONCE_BYTES } from './hello.ts'
import type { NetworkOptions } from './network-options.ts'

/** What our own certificate and keys say. */
export type Own = { readonly deviceId: DeviceId; readonly keys: PublicKeys }

export type HelloSetting = {
  readonly options: NetworkOptions
  readonly own: Own
  readonly isBanned: (deviceId: DeviceId) => boolean
}

export function helloOn(
  connection: Connection,
  remotePeerKey: Uint8Array,
  { options, own, isBanned }: HelloSetting,
): Hello {
  const { keys, certificates, roster, signatures, random, software, isRevoked } = options
  return createHello({
    role: connection.direction === 'outbound' ? 'initiator' : 'responder',
    ownDevice: own.deviceId,
    ownPeerKey: own.keys.peerKey,
    remotePeerKey,
    logKey: keys.logKey,
    ...{ certificates: certificates(), roster, signatures, isBanned },
    software: software ?? 'chargemesh',
    nonce: random.bytes(NONCE_BYTES),
    ...(isRevoked && { isRevoked }),
  })
}
