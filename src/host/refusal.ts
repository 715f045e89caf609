// What a refused hello means to whoever reads the log: one sentence with the cure.
import type { Connection } from '@libp2p/interface'
import type { HelloRefusal } from './hello.ts'
import { addressesIn } from './network-libp2p.ts'

type Step = { readonly reason: HelloRefusal; readonly saidByPeer?: string | undefined }

/** By the word of the hello: when we refuse, and when we are refused. */
const WORDS: Readonly<Partial<Record<HelloRefusal, readonly [ours: string, theirs: string]>>> = {
  'foreign-site': [
    'a node of another site is there: correct mesh.peers, or let it join this site',
    'a node of another site is there: correct mesh.peers, or let this one join that site',
  ],
  'out-of-force': [
    'its certificate is not in force by our clock: set the wrong clock, or renew its certificate',
    'our certificate is not in force by its clock: set the wrong clock, or renew our certificate',
  ],
  revoked: [
    'it was revoked: switch it off, or let it join anew',
    'it says that this node was revoked: let this one join anew in a new folder',
  ],
  banned: [
    'it broke the protocol and is kept out for a while: see `network.banned`',
    'it keeps this node out for a while: see its log',
  ],
  'own-device': [
    'it has the identity of this very node: one folder is a copy of the other, stop one of them',
    'it has the identity of this very node: one folder is a copy of the other, stop one of them',
  ],
  'not-a-node': [
    'its certificate is not one of a node: do not run a node from the folder of an issuer or a cloud',
    'our certificate is not one of a node: let this one join anew',
  ],
  'other-protocol': [
    'its software speaks another protocol: update chargemesh on both machines',
    'its software speaks another protocol: update chargemesh on both machines',
  ],
}

function wordsOf({ reason, saidByPeer }: Step): string {
  if (reason !== 'refused-by-peer')
    return WORDS[reason]?.[0] ?? `it cannot prove that it belongs here (${reason}): see its log`
  const said = Object.entries(WORDS).find(([word]) => word === saidByPeer)?.[1]
  return said?.[1] ?? `it refuses this node (${saidByPeer ?? 'without a word'}): see its log`
}

/** For the log; `from` is the address alone. */
export function refusalFields({ remotePeer, remoteAddr }: Connection, step: Step) {
  const [from] = addressesIn(remoteAddr)
  return {
    reason: step.reason,
    saidByPeer: step.saidByPeer,
    says: wordsOf(step),
    from: from?.host ?? 'nowhere',
    peerId: remotePeer.toString(),
    address: remoteAddr.toString(),
  }
}
