// PGlite in a folder: what is committed is there after a restart, and one process at a time may use it.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openDatabase } from '../../src/cloud/database.ts'
import { migrate } from '../../src/cloud/schema.ts'
import { sessionBodies } from '../site.ts'
import { cloudBench } from './cloud-bench.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chargemesh-cloud-'))
})
afterAll(() => rm(folder, { recursive: true }))

it('keeps bills and acks over a restart, and lets nobody else in meanwhile', async () => {
  const dir = join(folder, 'made', 'when needed')
  const before = await openDatabase({ dir })
  await migrate(before)
  const bench = await cloudBench(before)
  const node = bench.site.device('north')
  const log = bench.site.openLog(node)
  const words = sessionBodies()
  log.append([words.start, words.pricing, words.end])
  const answer = await bench.push({ segments: log.segments(), certificates: [node.certificate.encoded] })
  const bills = await bench.bills()
  await expect(openDatabase({ dir })).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  await before.close()

  const after = await openDatabase({ dir })
  await migrate(after)
  const reopened = await cloudBench(after, bench)
  expect(await reopened.bills()).toEqual(bills)
  const again = await reopened.push({ segments: log.segments() })
  await after.close()
  expect(again).toEqual(answer)
})
