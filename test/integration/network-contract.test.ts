import { networkContract } from '../contract/network.ts'
import { until } from '../deadline.ts'
import { testSite } from '../site.ts'
import { closeNodes, type MeshNode, openNode } from './network-node.ts'

networkContract('libp2p network on loopback', async () => {
  const site = testSite('contract')
  const [first, second] = [site.device('first'), site.device('second')]
  const a = await openNode({ site, device: first })
  const b = await openNode({ site, device: second, peers: [a.port] })
  const node = (each: MeshNode, other: MeshNode) => ({
    network: each.network,
    deviceId: each.deviceId,
    heard: each.heard,
    get comings() {
      return each.comings.map(coming => `${coming[0]}${other.deviceId}`)
    },
    close: () => each.network.close(),
  })
  return {
    a: node(a, b),
    b: node(b, a),
    until: (condition, what) => until(condition, { withinMs: 10_000, what }),
    pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
    dispose: closeNodes,
  }
})
