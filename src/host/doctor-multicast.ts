// Layer multicast: can we send a question, and hear our own.

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { parseHostPort } from '../config.ts'
import { reasonOf } from '../errors.ts'
import { sameBytes } from '../units.ts'
import { interfacesFor, MDNS } from './discovery.ts'
import { type Finding, NOT_CHECKED, type Patient, trouble } from './doctor-patient.ts'
import { daysOf, question } from './mdns.ts'
import type { Address } from './peers.ts'

const WAIT_MS = 2_000

/** `group`: where multicast is spoken. */
export async function examineMulticast(
  { config, nowAt, remembered }: Patient,
  group: Address = MDNS,
): Promise<Finding> {
  if (!config) return NOT_CHECKED
  if (config.mesh.discovery === 'off') return { fine: 'not used: mesh.discovery is off', troubles: [] }
  const listen = parseHostPort(config.mesh.listen)
  const networks = interfacesFor(listen ? [{ ...listen, port: MDNS.port }] : [])
  const heard = await echo(networks, group, nowAt)
  const fine = `own questions are heard on ${networks.join(', ')}`
  if (heard === undefined) return { fine, troubles: [] }
  const others = config.mesh.peers.length + (typeof remembered === 'string' ? 0 : remembered.length)
  const cure =
    others > 0
      ? 'nodes are still found by mesh.peers and remembered addresses; let UDP port 5353 through if you want more'
      : 'let UDP port 5353 through, or write the address of another node into mesh.peers'
  return { fine: '', troubles: [trouble(others > 0 ? 'warn' : 'fail', `${heard}: ${cure}`)] }
}

/** Asks on every network what nobody will answer. Undefined when we heard ourselves; else why not. */
function echo(networks: readonly string[], group: Address, nowAt: number): Promise<string | undefined> {
  const [day] = daysOf([randomBytes(32)], nowAt)
  const packet = day ? question(day) : new Uint8Array()
  return new Promise(resolve => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    const end = (why?: string): void => {
      clearTimeout(timer)
      resolve(why)
      socket.removeAllListeners('error').on('error', () => undefined)
      socket.close()
    }
    const timer = setTimeout(
      () => end(`multicast is sent and not heard (UDP ${group.host} port ${group.port})`),
      WAIT_MS,
    )
    socket.once('error', error => end(`multicast cannot be used (${error.message})`))
    socket.on('message', said => {
      if (sameBytes(said, packet)) end()
    })
    socket.bind(group.port, () => {
      ask({ socket, group, packet }, networks).catch(error =>
        end(`multicast cannot be used (${reasonOf(error)})`),
      )
    })
  })
}

type Asking = { readonly socket: Socket; readonly group: Address; readonly packet: Uint8Array }

async function ask({ socket, group, packet }: Asking, networks: readonly string[]): Promise<void> {
  if (networks.length === 0) throw new Error('this machine has no IPv4 network')
  for (const network of networks) {
    socket.addMembership(group.host, network)
    socket.setMulticastInterface(network)
    await new Promise<void>((resolve, reject) =>
      socket.send(packet, group.port, group.host, error => (error ? reject(error) : resolve())),
    )
  }
}
