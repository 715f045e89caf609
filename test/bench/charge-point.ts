// One charger of the charging benchmarks: OCPP 1.6J over a plain WebSocket, one call at a time, as OCPP wants it. Whatever is
// not accepted rejects.
import WebSocket from 'ws'
import type { ChargerAccount } from './charging-site.ts'

export type Payload = Readonly<Record<string, unknown>>
export type Charger = ChargerAccount & {
  readonly call: (action: string, payload: Payload) => Promise<Payload>
  readonly close: () => void
}

const CALL = 2
const RESULT = 3

/** Rejects when it is not let in. */
export async function openCharger(url: string, account: ChargerAccount): Promise<Charger> {
  const { identity, password } = account
  const authorization = `Basic ${Buffer.from(`${identity}:${password}`).toString('base64')}`
  const options = { headers: { authorization }, perMessageDeflate: false }
  const ws = new WebSocket(`${url}/${identity}`, ['ocpp1.6'], options)
  let calls = 0
  let waiting: PromiseWithResolvers<Payload> | undefined
  let last: Promise<unknown> = Promise.resolve()
  const opened = Promise.withResolvers<void>()
  ws.once('open', opened.resolve)
  const lost = (reason: string): void => {
    opened.reject(new Error(`${identity}: ${reason}`))
    waiting?.reject(new Error(`${identity}: ${reason}`))
  }
  ws.on('error', error => lost(error.message))
  ws.on('close', code => lost(`the connection ended with ${code}`))
  ws.on('message', data => {
    const [kind, id, payload] = JSON.parse(String(data)) as [number, string, Payload]
    if (kind === CALL) return ws.send(JSON.stringify([4, id, 'NotImplemented', '', {}]))
    if (kind === RESULT && id === String(calls)) waiting?.resolve(payload)
    else waiting?.reject(new Error(`${identity}: ${String(data)}`))
  })
  const send = (action: string, payload: Payload): Promise<Payload> => {
    if (ws.readyState !== WebSocket.OPEN) throw new Error(`${identity}: the connection is gone`)
    calls += 1
    waiting = Promise.withResolvers<Payload>()
    ws.send(JSON.stringify([CALL, String(calls), action, payload]))
    return waiting.promise
  }
  await opened.promise
  return {
    ...account,
    call: (action, payload) => {
      const answer = last.then(() => send(action, payload))
      last = answer.catch(() => undefined)
      return answer
    },
    close: () => ws.terminate(),
  }
}

export function accepted(payload: Payload): void {
  const { status } = (payload.idTagInfo ?? {}) as { readonly status?: unknown }
  if (status !== 'Accepted') throw new Error(`a card was answered with ${JSON.stringify(payload)}`)
}
