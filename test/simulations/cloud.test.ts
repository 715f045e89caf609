// The cloud in memory keeps the contract of every simulated cloud, and stays fast as history grows.
import { describe, expect, it } from 'vitest'
import { memoryCloud } from '../../simulations/cloud.ts'
import { MAX_ACKS_PER_ANSWER } from '../../src/cloud/acks.ts'
import { acksOf, cloudContract, cloudSetting, pushOf } from '../contract/simulated-cloud.ts'

cloudContract('the cloud in memory', async deps => memoryCloud(deps))

describe('the acks of the cloud in memory', () => {
  it('come page by page, each log once, whichever were replaced meanwhile', async () => {
    const { site, deps } = cloudSetting()
    const cloud = memoryCloud(deps)
    const node = site.device('north')
    const logs = Array.from({ length: MAX_ACKS_PER_ANSWER + 3 }, () => site.openLog(node))
    const segments = logs.flatMap(log => log.segments())
    const first = await cloud.push(pushOf({ segments, certificates: [node.certificate.encoded] }))
    expect(first.acks).toHaveLength(MAX_ACKS_PER_ANSWER)
    const [oldest] = acksOf(site, first)
    const renewed = logs.find(log => log.logId === oldest?.logId)
    renewed?.append([{ name: 'epoch_close', body: { finalSeq: 1 } }])
    const rest = await cloud.push(
      pushOf({ segments: renewed?.segments(1) ?? [], sinceVersion: first.version }),
    )
    expect(acksOf(site, rest).map(ack => ack.logId)).toHaveLength(4)
    expect(acksOf(site, rest).at(-1)).toMatchObject(renewed?.ref() ?? {})
    expect((await cloud.push(pushOf({ sinceVersion: rest.version }))).acks).toEqual([])
  })
})
