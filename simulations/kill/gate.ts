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
  readonly close: () => Promise<void>
}

export const PASS: Verdict = { held: false }
export const HOLD: Verdict = { held: true }

export async function openGate(targetPort: number): Promise<Gate> {
  const http = createServer()
  const chosen = new WeakMap<IncomingMessage, string>()
  const sockets = new WebSocketServer({
    ...{ noServer: true, perMessageDeflate: false },
    handleProtocols: (_offered, request) => chosen.get(request) || false,
  })
  const open = new Set<WebSocket>()
  http.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const node = dial(request, targetPort)
    open.add(node)
    node.on('close', () => open.delete(node))
    // Refused or not there: the charger's own socket goes too, and it tries again.
    node.once('error', () => socket.destroy())
    node.once('open', () => {
      chosen.set(request, node.protocol)
      sockets.handleUpgrade(request, socket, head, charger => {
        pass(charger, node, frame => gate.watch('charger', frame))
        pass(node, charger, frame => gate.watch('node', frame))
      })
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const gate: Gate = {
    port: (http.address() as AddressInfo).port,
    watch: () => PASS,
    close: async () => {
      for (const node of open) node.terminate()
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
