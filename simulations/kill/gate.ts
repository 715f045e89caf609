// A door in front of a node's OCPP port: it passes every frame of a charger's WebSocket on as it is, and asks first. So a
// node can be killed at a frame and not at a time. A node that is not there looks to the charger as it would without us.
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import WebSocket, { WebSocketServer } from 'ws'

export type Side = 'charger' | 'node'
/** `held` frames are lost; `afterwards` is done as soon as a frame that goes on was handed over. */
export type Verdict = { readonly held: boolean; readonly afterwards?: () => void }

export type Gate = {
  readonly port: number
  /** Asked of every frame until it is replaced. */
  watch: (from: Side, frame: string) => Verdict
  /** Ends all lines; not even what waits in their sockets gets out. */
  readonly hangUp: () => void
  readonly close: () => Promise<void>
}

export const PASS: Verdict = { held: false }
const HOLD: Verdict = { held: true }

type Line = { readonly node: WebSocket; isDead: boolean }

export async function openGate(targetPort: number): Promise<Gate> {
  const http = createServer()
  const chosen = new WeakMap<IncomingMessage, string>()
  const sockets = new WebSocketServer({
    ...{ noServer: true, perMessageDeflate: false },
    handleProtocols: (_offered, request) => chosen.get(request) || false,
  })
  const open = new Set<Line>()
  http.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const node = dial(request, targetPort)
    const line: Line = { node, isDead: false }
    open.add(line)
    node.on('close', () => open.delete(line))
    // Refused or not there: the charger's own socket goes too, and it tries again.
    node.once('error', () => socket.destroy())
    node.once('open', () => {
      chosen.set(request, node.protocol)
      sockets.handleUpgrade(request, socket, head, charger => {
        const ask = (from: Side, frame: string): Verdict => (line.isDead ? HOLD : gate.watch(from, frame))
        pass(charger, node, frame => ask('charger', frame))
        pass(node, charger, frame => ask('node', frame))
      })
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const hangUp = (): void => {
    for (const line of open) {
      line.isDead = true
      line.node.terminate()
    }
  }
  const gate: Gate = {
    port: (http.address() as AddressInfo).port,
    watch: () => PASS,
    hangUp,
    close: async () => {
      hangUp()
      http.close()
      await once(http, 'close')
    },
  }
  return gate
}

function dial({ url, headers }: IncomingMessage, port: number): WebSocket {
  const offered = String(headers['sec-websocket-protocol'] ?? '')
  const protocols = offered.split(',').map(one => one.trim())
  const { authorization } = headers
  return new WebSocket(`ws://127.0.0.1:${port}${url}`, protocols, {
    ...(authorization !== undefined && { headers: { authorization } }),
    perMessageDeflate: false,
  })
}

function pass(from: WebSocket, to: WebSocket, ask: (frame: string) => Verdict): void {
  from.on('message', data => {
    const frame = String(data)
    const verdict = ask(frame)
    if (!verdict.held && to.readyState === WebSocket.OPEN) to.send(frame)
    verdict.afterwards?.()
  })
  from.on('error', () => to.terminate())
  from.on('close', () => to.terminate())
}
