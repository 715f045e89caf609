// Layer address: can this node listen where it shall, and does anybody answer where its peers should be.
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type HostPort, type NodeConfig, parseHostPort } from '../config.ts'
import { type Finding, NOT_CHECKED, type Patient, type RunningStatus, trouble } from './doctor-patient.ts'
import { type Address, addressName } from './peers.ts'
import type { Trouble } from './validity.ts'

const CONNECT_MS = 3_000
/** Addresses tried; a site that needs more of them is not helped by trying them all. */
const MAX_TRIED = 64

export async function examineAddress({ config, running, remembered }: Patient): Promise<Finding> {
  if (!config) return NOT_CHECKED
  const doors = doorsOf(config)
  const troubles = running ? await heldDoors(doors) : [...twice(doors), ...(await freeDoors(doors))]
  const told = config.mesh.peers.flatMap(peer => parseHostPort(peer) ?? [])
  const tried = told.slice(0, MAX_TRIED)
  const faults = (await Promise.all(tried.map(reach))).flatMap(fault => fault ?? [])
  // Somebody at a remembered address is as good: settings may name the first nodes of a site, long gone.
  const known = typeof remembered === 'string' ? [] : remembered
  const others = faults.length === tried.length ? known.slice(0, MAX_TRIED) : []
  const isAlone = !(await anyAnswers(others)) && faults.length === tried.length
  for (const fault of faults) troubles.push(trouble(isAlone ? 'fail' : 'warn', fault))
  if (typeof remembered === 'string')
    troubles.push(trouble('warn', `${remembered}: the next start begins a new one`))
  const peers = running?.status.peers ?? []
  if (running && peers.length === 0 && tried.length > faults.length)
    troubles.push(
      trouble('warn', `no peer is connected, although an address answers${refusalIn(running.status)}`),
    )
  const mesh = running ? `connected to ${peers.join(', ') || 'nobody'}` : 'nothing else listens there'
  const answering =
    tried.length > 0
      ? `${tried.length - faults.length} of ${tried.length} peers answer`
      : 'no mesh.peers: other nodes have to be found, or find this one'
  return {
    fine: `${doors.map(one => `${one.field} ${one.text}`).join(', ')}: ${mesh}; ${answering}`,
    troubles,
  }
}

function refusalIn({ network }: RunningStatus): string {
  return network?.lastRefusal === undefined ? '' : `; the last to be refused, ${network.lastRefusal}`
}

type Door = { readonly field: string; readonly text: string; readonly at: HostPort }

function doorsOf({ mesh, ocpp, api }: NodeConfig): readonly Door[] {
  const tls = ocpp.listenTls === undefined ? {} : { 'ocpp.listenTls': ocpp.listenTls }
  const named = { 'mesh.listen': mesh.listen, 'ocpp.listen': ocpp.listen, ...tls, 'api.listen': api.listen }
  return Object.entries(named).flatMap(([field, text]) => {
    const at = parseHostPort(text)
    return at ? [{ field, text, at }] : []
  })
}

/** Two doors at one port: each alone could be opened. */
function twice(doors: readonly Door[]): readonly Trouble[] {
  return doors.flatMap((one, i) =>
    doors
      .slice(i + 1)
      .filter(({ at }) => at.port !== 0 && at.port === one.at.port && overlaps(at.host, one.at.host))
      .map(({ field }) =>
        trouble('fail', `${one.field} and ${field} both want port ${one.at.port}: give them one each`),
      ),
  )
}

function overlaps(a: string, b: string): boolean {
  return a === b || isEverywhere(a) || isEverywhere(b)
}

async function freeDoors(doors: readonly Door[]): Promise<readonly Trouble[]> {
  const troubles = await Promise.all(
    doors.map(async ({ field, text, at }) => {
      const code = await bind(at)
      const why = code === undefined ? undefined : (WHY_NOT[code]?.() ?? code)
      return why === undefined ? undefined : trouble('fail', `${field} ${text}: ${why}`)
    }),
  )
  return troubles.flatMap(one => one ?? [])
}

const WHY_NOT: Readonly<Record<string, () => string>> = {
  EADDRINUSE: () => 'another program listens there: stop it, or choose another port in node.yaml',
  EADDRNOTAVAIL: () =>
    `this machine has no such address: write one of ${ownAddresses().join(', ') || 'its own'}, or 0.0.0.0, into node.yaml`,
  ENOTFOUND: () => 'nobody knows this name: write an address of this machine into node.yaml',
  EACCES: () => 'this user may not listen there: choose a port above 1023 in node.yaml',
}

function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flat()
  return all.flatMap(one => (one && !one.internal && one.family === 'IPv4' ? [one.address] : []))
}

/** The code of what went wrong; undefined when we could listen there. */
function bind({ host, port }: HostPort): Promise<string | undefined> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

/** The running node holds them; port 0 is wherever the system put it. */
async function heldDoors(doors: readonly Door[]): Promise<Trouble[]> {
  const troubles = await Promise.all(
    doors.map(async ({ field, text, at }) => {
      const fault = at.port === 0 ? undefined : await reach({ ...at, host: nearHost(at.host) })
      return fault === undefined
        ? undefined
        : trouble('fail', `the node runs, but nothing listens at ${field} ${text}: start it again`)
    }),
  )
  return troubles.flatMap(one => one ?? [])
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function nearHost(host: string): string {
  if (host === '::') return '::1'
  return host === '0.0.0.0' ? '127.0.0.1' : host
}

async function anyAnswers(addresses: readonly Address[]): Promise<boolean> {
  return (await Promise.all(addresses.map(reach))).some(fault => fault === undefined)
}

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the machine is there and no node listens: is it running, and is this its mesh.listen?',
  ENOTFOUND: 'nobody knows this name: write its IP address into mesh.peers',
  EHOSTUNREACH: 'no way leads there: check cable, Wi-Fi and the address',
  ENETUNREACH: 'this machine has no network that leads there: check cable, Wi-Fi and its own address',
}

/** Why nobody answers there, with the cure; undefined when somebody does. */
function reach(address: Address): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect(address)
    const end = (why?: string): void => {
      socket.destroy()
      resolve(why === undefined ? undefined : `peer ${addressName(address)}: ${why}`)
    }
    socket.setTimeout(CONNECT_MS, () =>
      end(`no answer within ${CONNECT_MS / 1000} s: is it switched on, and does a firewall let TCP through?`),
    )
    socket.once('connect', () => end())
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(UNREACHABLE[error.code ?? ''] ?? error.message),
    )
  })
}
