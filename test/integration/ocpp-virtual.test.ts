import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import type { VirtualChargerOptions } from '../../simulations/charger/charger.ts'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { random, until } from './ocpp-site.ts'

type Call = { readonly id: string; readonly action: string; readonly payload: unknown }
type Answer = unknown | undefined

const open: { close: () => void }[] = []

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** A server that is no central system: it writes down every CALL and says what the test tells it to. */
async function listen(
  answer: (call: Call) => Answer,
): Promise<{ readonly url: string; readonly calls: Call[] }> {
  const calls: Call[] = []
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', socket =>
    socket.on('message', data => {
      const [, id, action, payload] = JSON.parse(String(data))
      calls.push({ id, action, payload })
      const reply = answer({ id, action, payload })
      if (reply !== undefined) socket.send(JSON.stringify([3, id, reply]))
    }),
  )
  open.push(server)
  await until('listening', () => server.address() !== null)
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, calls }
}

function charge(url: string, options: Partial<VirtualChargerOptions> = {}): VirtualCharger {
  const charger = openVirtualCharger({
    identity: 'CP1',
    password: 'irrelevant',
    urls: [url],
    connectors: 2,
    random,
    callTimeoutMs: 40,
    retryIntervalMs: 5,
    meterIntervalMs: 60_000,
    ...options,
  })
  open.push(charger)
  return charger
}

function friendly({ action }: Call): Answer {
  if (action === 'BootNotification') return { status: 'Accepted', currentTime: '', interval: 300 }
  if (action === 'Authorize') return { idTagInfo: { status: 'Accepted' } }
  if (action === 'StartTransaction') return { transactionId: 9, idTagInfo: { status: 'Accepted' } }
  return {}
}

const of = (calls: readonly Call[], action: string) => calls.filter(call => call.action === action)

describe('the virtual charger', () => {
  it('re-sends what was not answered under a new message id, with the same payload', async () => {
    let unanswered = 2
    const { url, calls } = await listen(call =>
      call.action === 'StartTransaction' && unanswered-- > 0 ? undefined : friendly(call),
    )
    const charger = charge(url)
    await until('booted', charger.booted)
    charger.plugIn(1)
    await charger.tap(1, 'A')
    await charger.stop(1)
    await charger.settled()
    const starts = of(calls, 'StartTransaction')
    expect(new Set(starts.map(({ id }) => id)).size).toBe(3)
    expect(new Set(starts.map(({ payload }) => JSON.stringify(payload))).size).toBe(1)
    expect(of(calls, 'StopTransaction')[0]?.payload).toMatchObject({ transactionId: 9, reason: 'Local' })
  })

  it('asks one thing at a time and says nothing before its boot was accepted', async () => {
    let pending = true
    const { url, calls } = await listen(call =>
      call.action === 'BootNotification' && pending ? { status: 'Pending', interval: 0 } : friendly(call),
    )
    const charger = charge(url)
    charger.plugIn(1)
    await until('asked', () => calls.length === 1)
    expect(calls.map(({ action }) => action)).toEqual(['BootNotification'])
    pending = false
    await until('booted', charger.booted)
    await until('three connectors reported', () => of(calls, 'StatusNotification').length === 3)
    expect(of(calls, 'BootNotification')).toHaveLength(2)
  })

  it('gives a message up after its attempts, and stops with -1 what was never confirmed', async () => {
    const { url, calls } = await listen(call =>
      call.action === 'StartTransaction' ? undefined : friendly(call),
    )
    const charger = charge(url, { attempts: 3 })
    await until('booted', charger.booted)
    charger.plugIn(1)
    await charger.tap(1, 'A')
    await charger.stop(1)
    await charger.settled()
    expect(of(calls, 'StartTransaction')).toHaveLength(3)
    expect(charger.discarded()).toEqual(['StartTransaction'])
    expect(of(calls, 'StopTransaction')[0]?.payload).toMatchObject({ transactionId: -1 })
  })

  it('refuses unknown cards offline unless it was told otherwise, and knows those that it saw', async () => {
    const { url } = await listen(friendly)
    const charger = charge(url)
    await until('booted', charger.booted)
    charger.plugIn(1)
    expect((await charger.tap(1, 'KNOWN')).accepted).toBe(true)
    expect(await charger.tap(1, 'OTHER')).toEqual({ accepted: false, status: 'Occupied' })
    expect((await charger.tap(1, 'KNOWN')).accepted).toBe(true)
    charger.disconnect()
    charger.plugIn(2)
    expect(await charger.tap(2, 'OTHER')).toEqual({ accepted: false, status: 'Offline' })
    expect((await charger.tap(2, 'KNOWN')).accepted).toBe(true)
    expect(charger.sessions().map(({ connectorId }) => connectorId)).toEqual([1, 2])
  })

  it('gives a server up that answers no ping, and goes to the next one', async () => {
    const dead = new WebSocketServer({ host: '127.0.0.1', port: 0, autoPong: false })
    open.push(dead)
    await until('listening', () => dead.address() !== null)
    const { url, calls } = await listen(friendly)
    const deadUrl = `ws://127.0.0.1:${(dead.address() as AddressInfo).port}`
    charge(deadUrl, { urls: [deadUrl, url], pingIntervalMs: 30 })
    await until('booted at the next server', () => of(calls, 'BootNotification').length === 1)
  })

  it('starts at the cable when the card came first', async () => {
    const { url, calls } = await listen(friendly)
    const charger = charge(url)
    await until('booted', charger.booted)
    expect((await charger.tap(2, 'A')).accepted).toBe(true)
    expect(charger.sessions()).toEqual([])
    charger.plugIn(2)
    await charger.settled()
    expect(of(calls, 'StartTransaction')[0]?.payload).toMatchObject({ connectorId: 2, idTag: 'A' })
  })
})
