// A line to a central system that was taken away: nobody would ever hang it up.
import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import type { ChargerId } from '../../src/units.ts'
import { openCsms } from '../../src/uplink/csms.ts'

const silent = (): undefined => undefined

it('opens nothing once it is closed', async () => {
  let connections = 0
  const server = createServer(socket => {
    connections += 1
    socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const central = openCsms({
    ...{ name: 'steve', url: `ws://127.0.0.1:${port}`, password: silent },
    terms: { protocol: 'ocpp1.6', lostAnswers: 'hold', shadow: false, live: false },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
  })
  const chargerId = 'CP-1' as ChargerId
  expect(await central.open(chargerId)).toMatchObject({ kind: 'closed' })
  expect(connections).toBe(1)
  central.close()
  expect(await central.open(chargerId)).toMatchObject({
    kind: 'closed',
    reason: expect.stringContaining('taken'),
  })
  expect(connections).toBe(1)
  await new Promise(resolve => server.close(resolve))
})
