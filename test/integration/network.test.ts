import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../deadline.ts'
import { testSite } from '../site.ts'
import { closeNodes, openNode, utf8 } from './network-node.ts'

const site = testSite('network')
const [alice, bob] = [site.device('alice'), site.device('bob')]

afterEach(closeNodes)

describe('two real nodes', () => {
  it('exchange messages after a hello in which each learnt the other certificate', async () => {
    const a = await openNode({ site, device: alice })
    const b = await openNode({ site, device: bob, peers: [a.port] })
    await until(() => a.network.peers().length + b.network.peers().length === 2, {
      withinMs: 5_000,
      what: 'the hello',
    })
    expect(a.network.peers()).toEqual([b.deviceId])
    expect(a.roster.byDevice(b.deviceId)?.name).toBe('bob')
    a.network.send(b.deviceId, utf8('from alice'))
    b.network.send(a.deviceId, utf8('from bob'))
    await until(() => a.heard.length > 0 && b.heard.length > 0, { withinMs: 5_000, what: 'both messages' })
    expect(a.heard).toMatchObject([{ from: b.deviceId, text: 'from bob' }])
    expect(b.heard).toMatchObject([{ from: a.deviceId, text: 'from alice' }])
    expect([a.comings, b.comings]).toEqual([['+bob'], ['+alice']])
  })
})
