// The cloud in memory keeps the contract of every simulated cloud, and stays fast as history grows.
import { describe, expect, it } from 'vitest'
import { memoryCloud } from '../../simulations/cloud/cloud.ts'
import { MAX_ACKS_PER_ANSWER } from '../../src/cloud/acks.ts'
import { moneyContract } from '../contract/money-cloud.ts'
import { acksOf, cloudContract, cloudSetting, pushOf } from '../contract/simulated-cloud.ts'

cloudContract('the cloud in memory', async deps => memoryCloud(deps))
moneyContract('the cloud in memory', async deps => memoryCloud(deps), 60)

describe('the acks of the cloud in memory', () => {
  it('come page by page, each log once, whichever were replaced meanwhile', async () => {
    const { site, deps } = cloudSetting()
    const cloud = memoryCloud(deps)
    const node = site.device('north')
    const logs = Array.from({ length: MAX_ACKS_PER_ANSWER + 3 }, () => site.openLog(node))
    const segments = logs.flatMap(log => log.segments())
    const first = await cloud.push(pushOf({ segments, certificates: [node.certificate.encoded] }))
    expect(first.acks).toHaveLength(MAX_ACKS_PER_ANSWER)
    const seen = acksOf(site, first).map(ack => ack.logId)
    const renewed = [logs.find(log => log.logId === seen[0]), logs.find(log => !seen.includes(log.logId))]
    for (const log of renewed) log?.append([{ name: 'epoch_close', body: { finalSeq: 1 } }])
    const more = renewed.flatMap(log => log?.segments(1) ?? [])
    const rest = await cloud.push(pushOf({ segments: more, sinceVersion: first.version }))
    expect(acksOf(site, rest)).toHaveLength(4)
    expect(acksOf(site, rest).slice(-2)).toMatchObject(
      renewed.flatMap(log => (log ? [log.ref()] : [])).toSorted((a, b) => (a.logId < b.logId ? -1 : 1)),
    )
    expect((await cloud.push(pushOf({ sinceVersion: rest.version }))).acks).toEqual([])
  })
})
