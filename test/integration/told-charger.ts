// A charger that says and answers what it is told, over a real WebSocket.
import WebSocket from 'ws'

export type ToldCharger = {
  /** CALLs that it was sent, oldest first. */
  readonly received: readonly { readonly action: string; readonly payload: unknown }[]
  readonly call: (action: string, payload: object) => Promise<unknown>
  readonly isOpen: () => boolean
  readonly close: () => Promise<void>
}

type Answers = (action: string, payload: unknown) => object | undefined

export type ToldOptions = {
  readonly url: string
  readonly identity: string
  readonly password: string
  readonly protocol?: string
  /** Its .conf; undefined leaves the CALL without an answer. */
  readonly answers: Answers
}

export async function openToldCharger(options: ToldOptions): Promise<ToldCharger> {
  const { url, identity, password, protocol = 'ocpp1.6', answers } = options
  const authorization = `Basic ${Buffer.from(`${identity}:${password}`).toString('base64')}`
  const socket = new WebSocket(`${url}/${identity}`, [protocol], { headers: { authorization } })
  const received: { action: string; payload: unknown }[] = []
  const waiting = new Map<string, (payload: unknown) => void>()
  socket.on('message', text => {
    const frame = JSON.parse(String(text)) as [number, string, ...unknown[]]
    const [type, id] = frame
    if (type === 3) waiting.get(id)?.(frame[2])
    if (type !== 2) return
    const [, , action, payload] = frame
    received.push({ action: String(action), payload })
    const answer = answers(String(action), payload)
    if (answer) socket.send(JSON.stringify([3, id, answer]))
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  socket.on('error', () => socket.terminate())
  let calls = 0
  return {
    received,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    call: (action, payload) => {
      const id = `c${++calls}`
      const answered = new Promise(resolve => waiting.set(id, resolve))
      socket.send(JSON.stringify([2, id, action, payload]))
      return answered
    },
    close: async () => {
      if (socket.readyState === WebSocket.CLOSED) return
      const closed = new Promise(resolve => socket.once('close', resolve))
      socket.terminate()
      await closed
    },
  }
}
