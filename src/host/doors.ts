// The doors of a node that is starting: it is told of them before they are open, and hears nothing through them until then.
import type { DriverPlane } from '../api/driver.ts'
import type { NodeDeps } from '../node.ts'
import type { Central } from '../ocpp/central.ts'
import type { Network } from '../ports.ts'
import type { HostNetwork } from './network.ts'
import type { Tokens } from './tokens.ts'

export type Doors = {
  network?: HostNetwork
  central?: Central
  tokens?: Tokens
  openTag?: NodeDeps['openTag']
  sealTag?: NodeDeps['sealTag']
  drivers?: DriverPlane
}

export function lateNetwork(doors: Doors): Network {
  return {
    send: (to, message) => doors.network?.send(to, message),
    peers: () => doors.network?.peers() ?? [],
    ban: (peer, banMs, reason) => doors.network?.ban(peer, banMs, reason),
    traffic: () => doors.network?.traffic() ?? { receivedBytes: 0, sentBytes: 0 },
  }
}

export function lateChargePoints(doors: Doors): NodeDeps['chargePoints'] {
  return {
    connected: () => doors.central?.connected() ?? [],
    command: async (id, command) =>
      (await doors.central?.command(id, command)) ?? { kind: 'unreachable', reason: 'the node is starting' },
    disconnect: (id, reason) => doors.central?.disconnect(id, reason),
  }
}
