// Looks at running nodes from outside, over the operator's plane: what they hold, what is still unsent, when a session's
// receipt arrived, and the bytes that they counted. A node that does not answer just now is asked again at the next look.
import { logsOf } from '../../src/api/client.ts'
import type { SessionReport } from '../../src/api/report.ts'
import type { Heads } from './heal.ts'
import type { Machine, Machines } from './machines.ts'

const PATIENCE_MS = 3000

/** Equal heads of all logs on all nodes, and the most that one of them has still to send. */
export type Look = { readonly isSame: boolean; readonly unsent: number }

export type Watch = {
  /** Of all nodes; undefined while one of them is down or does not answer. */
  readonly look: () => Promise<Look | undefined>
  /** By node, less one; undefined for one that is down or does not answer. */
  readonly heads: () => Promise<readonly (Heads | undefined)[]>
  /** Notes receipts and counters; as often as a second. */
  readonly sample: (nowAt: number) => Promise<void>
  /** By `charger/register of the start`: UTC at which its receipt was first seen. */
  readonly receipts: ReadonlyMap<string, number>
  /** Application bytes of a node over all its lives, as the node counted them up to the last sample. */
  readonly trafficOf: (node: number) => number
}

type Status = {
  readonly unsentEvents: number
  readonly traffic: { readonly receivedBytes: number; readonly sentBytes: number }
}

export function createWatch(machines: Machines, uplinked: () => readonly number[]): Watch {
  const receipts = new Map<string, number>()
  const traffic = new Map<string, number>()

  const statusOf = async ({ number, life, client }: Machine): Promise<Status> => {
    const status = (await client.get('/v1/status')) as Status
    traffic.set(`${number}/${life}`, status.traffic.receivedBytes + status.traffic.sentBytes)
    return status
  }

  const noteReceipts = async ({ client }: Machine, nowAt: number): Promise<void> => {
    for (const session of (await client.get('/v1/sessions')) as readonly SessionReport[]) {
      const name = `${session.chargerId}/${session.meterStartWh}`
      if (session.acked && session.stoppedAt !== undefined && !receipts.has(name)) receipts.set(name, nowAt)
    }
  }

  return {
    receipts,
    heads: async () => {
      const up = new Map(machines.up().map(machine => [machine.number, machine]))
      return await Promise.all(
        machines.numbers.map(async number => {
          const machine = up.get(number)
          const logs = machine && (await patient(() => logsOf(machine.client)))
          return logs && new Map(logs.map(log => [log.logId, log.seq]))
        }),
      )
    },
    look: async () => {
      const up = machines.up()
      if (up.length < machines.numbers.length) return undefined
      return await patient(async () => {
        const heads = await Promise.all(up.map(machine => headsOf(machine)))
        const statuses = await Promise.all(up.map(statusOf))
        return {
          isSame: heads.every(one => one === heads[0]),
          unsent: Math.max(...statuses.map(status => status.unsentEvents)),
        }
      })
    },
    sample: async nowAt => {
      const ways = uplinked()
      for (const machine of machines.up())
        await patient(async () => {
          await statusOf(machine)
          if (ways.includes(machine.number)) await noteReceipts(machine, nowAt)
        })
    },
    trafficOf: node =>
      [...traffic].reduce((sum, [name, bytes]) => (name.startsWith(`${node}/`) ? sum + bytes : sum), 0),
  }
}

async function headsOf({ client }: Machine): Promise<string> {
  const logs = await logsOf(client)
  return logs
    .map(log => `${log.logId} ${log.seq} ${log.hash}`)
    .sort()
    .join()
}

/** Undefined for a node that is killed or stalled while it is asked. */
async function patient<T>(ask: () => Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), PATIENCE_MS)
  try {
    return await Promise.race([ask().catch(() => undefined), promise])
  } finally {
    clearTimeout(timer)
  }
}
