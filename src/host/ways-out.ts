// The ways out of a running node: uplinks that take its logs, and central systems that are told of sessions and may ask for
// some. What is open is given to the node each time that it changes.
import type { Node, NodeDeps } from '../node.ts'
import type { StoreKeys } from '../store/sealing.ts'
import type { Closers } from './closers.ts'
import { type UplinkBook, uplinkBook } from './uplink-book.ts'
import { createUpstreamCommands, type UpstreamCommandsDeps } from './upstream-commands.ts'

export type WaysOutDeps = Pick<NodeDeps, 'roster' | 'signatures' | 'logKey' | 'clock' | 'random' | 'logger'> &
  Pick<UpstreamCommandsDeps, 'commanding'> & {
    readonly dir: string
    readonly storeKeys: StoreKeys
    readonly node: Node
    readonly closers: Closers
  }

export async function openWaysOut(deps: WaysOutDeps): Promise<UplinkBook> {
  const { node, closers, roster } = deps
  const book = uplinkBook({
    ...deps,
    ...{ siteId: roster.siteId, rootKey: roster.rootKey },
    certificate: () => node.ledger().ownCertificate().encoded,
    give: ways => {
      node.setUplinks(ways.uplinks)
      node.forwarder.set(ways.centralSystems)
    },
    onCall: createUpstreamCommands(deps),
  })
  closers.push('uplinks', () => book.close())
  await book.open()
  return book
}
