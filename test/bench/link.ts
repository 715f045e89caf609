// A line of so many bits a second between all nodes of a site and the cloud: a TCP relay in which each direction is one bucket
// for all connections. Shut, it closes what comes.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type Link = {
  readonly port: number
  readonly open: () => void
  /** Payload of TCP: what went to the cloud, and what came back. */
  readonly bytes: () => { readonly up: number; readonly down: number }
  readonly close: () => void
}

export async function openLink(targetPort: number, bitsPerS: number): Promise<Link> {
  const bytes = { up: 0, down: 0 }
  const freeAt = { up: 0, down: 0 }
  const sockets = new Set<Socket>()
  let isOpen = false

  /** Whoever comes next waits until what came before has passed. */
  const pass = (source: Socket, sink: Socket, way: 'up' | 'down'): void => {
    source.on('data', async chunk => {
      source.pause()
      bytes[way] += chunk.length
      const now = performance.now()
      freeAt[way] = Math.max(now, freeAt[way]) + (chunk.length * 8000) / bitsPerS
      await sleep(freeAt[way] - now)
      if (!sink.destroyed) sink.write(chunk)
      source.resume()
    })
    source.on('end', () => sink.end())
    source.on('close', () => sink.destroy())
    source.on('error', () => sink.destroy())
  }
  const server = createServer(client => {
    if (!isOpen) {
      client.resetAndDestroy()
      return
    }
    const cloud = connect({ host: '127.0.0.1', port: targetPort, noDelay: true })
    for (const socket of [client, cloud]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    pass(client, cloud, 'up')
    pass(cloud, client, 'down')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    open: () => {
      isOpen = true
    },
    bytes: () => ({ ...bytes }),
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
