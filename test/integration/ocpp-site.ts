// A central system over real sockets with a fake node behind it, for the OCPP tests: remembers every input,
// answers as a node would, and collects log lines so that tests can look for what must not be in them.
import { randomBytes } from 'node:crypto'
import WebSocket from 'ws'
import type { VirtualChargerOptions } from '../../simulations/charger/charger.ts'
import { openVirtualCharger, type VirtualCharger } from '../../simulations/charger/virtual.ts'
import { type Central, type CentralOptions, openCentral } from '../../src/ocpp/central.ts'
import { type ChargerCredential, makeCredential } from '../../src/ocpp/credential.ts'
import type { ChargerAnswer, ChargerInput, Clock, Logger, Random } from '../../src/ports.ts'
import type { ChargerId, TokenRef } from '../../src/units.ts'

export const PASSWORD = 'correct horse 16'
export const random: Random = { bytes: length => new Uint8Array(randomBytes(length)) }
export const clock: Clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }

let known: ChargerCredential | undefined

export type Site = {
  readonly central: Central
  readonly inputs: ChargerInput[]
  readonly lines: string[]
  readonly url: string
  /** Of one kind, in the order handled. */
  readonly heard: <K extends ChargerInput['message']['kind']>(
    kind: K,
  ) => readonly Extract<ChargerInput['message'], { kind: K }>[]
  readonly charger: (options?: Partial<VirtualChargerOptions>) => VirtualCharger
  readonly socket: (identity?: string, password?: string, offered?: readonly string[]) => Promise<RawCharger>
  readonly close: () => Promise<void>
}

export type SiteOptions = Partial<CentralOptions> & {
  readonly handle?: (input: ChargerInput) => Promise<ChargerAnswer>
}

export async function openSite(options: SiteOptions = {}): Promise<Site> {
  known ??= await makeCredential(PASSWORD, random)
  const inputs: ChargerInput[] = []
  const lines: string[] = []
  const open: { close: () => void }[] = []
  const credential = known
  const answer = options.handle ?? (async input => accepts(input))
  const central = await openCentral({
    listen: { host: '127.0.0.1', port: 0 },
    insecure: false,
    credential: (id: ChargerId) => (id.startsWith('CP') ? credential : undefined),
    tokenReference: async tag => `ref:${tag}` as TokenRef,
    healthy: () => true,
    clock,
    random,
    logger: collecting(lines),
    ...options,
    handle: input => {
      inputs.push(input)
      return answer(input)
    },
  })
  const scheme = options.tls ? 'wss' : 'ws'
  const url = `${scheme}://127.0.0.1:${central.port}/ocpp`
  return {
    central,
    inputs,
    lines,
    url,
    heard: kind =>
      inputs.map(({ message }) => message).filter((message): message is never => message.kind === kind),
    charger: more => {
      const charger = openVirtualCharger({
        identity: 'CP1',
        password: PASSWORD,
        urls: [url],
        connectors: 1,
        random,
        timeScale: 3600,
        meterIntervalMs: 50,
        retryIntervalMs: 20,
        rebootMs: 50,
        ...more,
      })
      open.push(charger)
      return charger
    },
    socket: async (identity = 'CP1', password = PASSWORD, offered = ['ocpp1.6']) => {
      const raw = await connectRaw(`${url}/${identity}`, { identity, password, offered })
      open.push(raw)
      return raw
    },
    close: async () => {
      for (const each of open) each.close()
      await central.close()
    },
  }
}

let transactions = 0

/** What a friendly node says. */
export function accepts(input: ChargerInput): ChargerAnswer {
  switch (input.message.kind) {
    case 'boot':
      return { kind: 'booted', nowAt: Date.now(), heartbeatS: 300 }
    case 'authorize':
    case 'card':
      return { kind: 'authorized', allowed: 'ALLOWED' }
    case 'start':
      return { kind: 'started', transactionId: ++transactions, allowed: 'ALLOWED' }
    case 'stop':
      return { kind: 'stopped' }
    default:
      return { kind: 'noted' }
  }
}

function collecting(lines: string[]): Logger {
  const write =
    (level: string) =>
    (event: string, fields: object = {}) => {
      lines.push(`${level} ${event} ${JSON.stringify(fields)}`)
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** A socket that says exactly what a test tells it to. */
export type RawCharger = {
  readonly ws: WebSocket
  readonly frames: unknown[]
  readonly send: (frame: unknown) => void
  readonly sendText: (text: string) => void
  readonly closed: () => boolean
  readonly close: () => void
}

type Opening = {
  readonly identity: string
  readonly password: string
  readonly offered: readonly string[]
}

async function connectRaw(url: string, { identity, password, offered }: Opening): Promise<RawCharger> {
  const authorization = `Basic ${Buffer.from(`${identity}:${password}`).toString('base64')}`
  const ws = new WebSocket(url, [...offered], { headers: { authorization } })
  const frames: unknown[] = []
  ws.on('message', data => frames.push(JSON.parse(String(data))))
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('error', reject)
  })
  ws.on('error', error => frames.push(error.message))
  return {
    ws,
    frames,
    send: frame => ws.send(JSON.stringify(frame)),
    sendText: text => ws.send(text),
    closed: () => ws.readyState === WebSocket.CLOSED,
    close: () => ws.terminate(),
  }
}

/** Waits for a condition; fails with its text after the deadline. */
export async function until(what: string, holds: () => boolean, deadlineMs = 10_000): Promise<void> {
  const endMs = performance.now() + deadlineMs
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`did not happen in ${deadlineMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
