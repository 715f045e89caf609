// The wires between charge points and nodes: a socket ends when its node's process ends, when the node closes it, or when
// the charger's own network is cut. One answer a call, in order, as the real door gives them.
import { callOf, outcomeOf } from '../../src/ocpp/commands.ts'
import type { ChargerAnswer, ChargerCommand, ChargerInput, CommandOutcome } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'
import type { Ears, Line } from '../station/station.ts'
import type { LiveMember } from './member.ts'
import type { Commanded } from './observer.ts'

/** One way between a charger and its node, in the same building. */
const WIRE_MS = 3

export type LanDeps = {
  readonly asked: (member: LiveMember, input: ChargerInput) => void
  readonly schedule: (delayMs: number, task: () => void) => void
  readonly answered: (member: LiveMember, input: ChargerInput, answer: ChargerAnswer) => void
  readonly commanded: (member: LiveMember, command: Commanded) => void
}

export type Lan = {
  /** Undefined when nobody listens there. */
  readonly connect: (chargerId: ChargerId, to: LiveMember, ears: Ears) => Line | undefined
  readonly connected: (to: LiveMember) => readonly ChargerId[]
  readonly disconnect: (to: LiveMember, chargerId: ChargerId) => void
  readonly command: (
    from: LiveMember,
    chargerId: ChargerId,
    command: ChargerCommand,
  ) => Promise<CommandOutcome>
  /** The process is gone, and its sockets with it. */
  readonly closeAll: (to: LiveMember) => void
}

type Socket = {
  readonly chargerId: ChargerId
  readonly to: LiveMember
  readonly connectionId: number
  isOpen: boolean
  readonly close: (byNode: boolean) => void
  readonly ears: Ears
}

const LOST: CommandOutcome = { kind: 'unreachable', reason: 'the connection was lost' }

export function createLan({ schedule, asked, answered, commanded }: LanDeps): Lan {
  const sockets = new Map<LiveMember, Socket[]>()
  let connections = 0
  const of = (member: LiveMember): readonly Socket[] => sockets.get(member) ?? []

  return {
    connected: to => [...new Set(of(to).map(socket => socket.chargerId))],
    disconnect: (to, chargerId) => {
      for (const socket of of(to)) if (socket.chargerId === chargerId) socket.close(true)
    },
    closeAll: to => {
      for (const socket of of(to)) socket.close(true)
    },
    command: (to, chargerId, command) => {
      const socket = of(to).find(one => one.chargerId === chargerId)
      // The one question that 1.6 has no words for.
      const call = command.kind === 'getTransactionStatus' ? undefined : callOf(command)
      if (!socket) return Promise.resolve(LOST)
      if (typeof call === 'string')
        return Promise.resolve({ kind: 'rejected', status: 'Unsendable', detail: call })
      const { promise, resolve } = Promise.withResolvers<CommandOutcome>()
      schedule(WIRE_MS, () => {
        const payload = call && socket.isOpen ? socket.ears.answer(call.action, call.params) : undefined
        const heard = payload ? outcomeOf(command, payload) : undefined
        const known = heard ?? (socket.isOpen ? socket.ears.onCommand(command) : LOST)
        if (socket.isOpen) commanded(to, { chargerId, command, outcome: known })
        schedule(WIRE_MS, () => resolve(socket.isOpen ? known : LOST))
      })
      return promise
    },
    connect: (chargerId, to, ears) => {
      if (!to.node()) return undefined
      connections += 1
      let cancel: (() => void) | undefined
      const socket: Socket = {
        ...{ chargerId, to, connectionId: connections, isOpen: true, ears },
        close: byNode => {
          if (!socket.isOpen) return
          socket.isOpen = false
          sockets.set(
            to,
            of(to).filter(other => other !== socket),
          )
          cancel?.()
          tell(to, socket, 'disconnected')
          if (byNode) schedule(WIRE_MS, ears.onClosed)
        },
      }
      // A charger that comes again is believed to have lost its old socket (PROTOCOL 5.4).
      for (const old of of(to)) if (old.chargerId === chargerId) old.close(true)
      sockets.set(to, [...of(to), socket])
      tell(to, socket, 'connected')
      return {
        close: () => socket.close(false),
        call: (message, repairs) => {
          const { promise, resolve } = Promise.withResolvers<ChargerAnswer | 'closed'>()
          if (!socket.isOpen) return Promise.resolve('closed')
          cancel = () => resolve('closed')
          const input: ChargerInput = { chargerId, connectionId: socket.connectionId, message, repairs }
          schedule(WIRE_MS, () => {
            if (!socket.isOpen) return
            asked(to, input)
            void to.charger(input).then(answer => {
              if (!socket.isOpen) return
              if (answer.kind === 'silence') {
                socket.close(true)
                return
              }
              answered(to, input, answer)
              schedule(WIRE_MS, () => {
                // Sent is sent: a socket that closed behind the answer takes it along.
                if (socket.isOpen) resolve(answer)
              })
            })
          })
          return promise
        },
      }
    },
  }
}

function tell(to: LiveMember, socket: Socket, kind: 'connected' | 'disconnected'): void {
  const { chargerId, connectionId } = socket
  if (to.node()) void to.charger({ chargerId, connectionId, message: { kind }, repairs: [] })
}
