// Bytes over all sockets of this process, as the kernel takes and gives them: every socket is known from its birth, and what
// it carried stays counted when it has gone.
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

export type SocketBytes = { readonly in: number; readonly out: number }

export function countSockets(): () => SocketBytes {
  const open = new Set<Socket>()
  const gone = { in: 0, out: 0 }
  const born = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket }
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      gone.in += socket.bytesRead
      gone.out += socket.bytesWritten
    })
  }
  subscribe('net.client.socket', born)
  subscribe('net.server.socket', born)
  return () => {
    const sum = { ...gone }
    for (const socket of open) {
      sum.in += socket.bytesRead
      sum.out += socket.bytesWritten
    }
    return sum
  }
}
