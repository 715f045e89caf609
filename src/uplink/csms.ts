// Lines to an existing central system, one for each charger, with the charger's identity and password: the only use of
// ocpp-rpc as a client. It connects when it is asked to and not again by itself; what is said, and when, is the forwarder's.
import ocppRpc from 'ocpp-rpc'
import { reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'
import type { ChargerId } from '../units.ts'
import type { CentralSystem, ForwardTerms, Opened, UpstreamCall, UpstreamOutcome } from '../upstream.ts'

const CALL_TIMEOUT_MS = 30_000
const HANDSHAKE_TIMEOUT_MS = 15_000
const PING_INTERVAL_MS = 30_000
const MAX_PAYLOAD_BYTES = 262_144
/** In a row; the library's own limit can end in an unhandled rejection. */
const MAX_BAD_MESSAGES = 20

export type CsmsOptions = {
  readonly name: string
  readonly terms: ForwardTerms
  readonly turn?: CentralSystem['turn']
  /** Before the charger's identity. */
  readonly url: string
  /** Authorities that may vouch for it; without, those of the system. */
  readonly caPem?: string
  readonly password: (chargerId: ChargerId) => string | undefined
  readonly logger: Logger
  /** What the central system asks of a charger; undefined for what nobody answers here. */
  readonly onCall?: (chargerId: ChargerId, call: UpstreamCall) => Promise<UpstreamCall['payload'] | undefined>
  readonly callTimeoutMs?: number
}

type Client = InstanceType<typeof ocppRpc.RPCClient>

export type OpenCsms = CentralSystem & { readonly close: () => void }

export function openCsms(options: CsmsOptions): OpenCsms {
  const { name, terms } = options
  const lines = new Map<ChargerId, Client>()
  let isClosed = false
  const drop = (chargerId: ChargerId, client: Client): void => {
    if (lines.get(chargerId) === client) lines.delete(chargerId)
    void end(client, options.logger)
  }
  return {
    name,
    terms,
    ...(options.turn && { turn: options.turn }),
    open: async (chargerId): Promise<Opened> => {
      const held = lines.get(chargerId)
      if (held && held.state === ocppRpc.RPCClient.OPEN) return { kind: 'open', isNew: false }
      if (held) drop(chargerId, held)
      // It was taken away while this was on its way: nobody would ever hang up.
      if (isClosed) return { kind: 'closed', reason: 'this central system was taken away' }
      const client = clientFor(chargerId, options)
      lines.set(chargerId, client)
      // An event without a listener would end the process.
      client.on('error', () => drop(chargerId, client))
      client.on('close', () => drop(chargerId, client))
      countBad(client, () => drop(chargerId, client))
      answerCalls(client, chargerId, options)
      try {
        await client.connect()
      } catch (error) {
        drop(chargerId, client)
        return { kind: 'closed', reason: whyNot(error, chargerId) }
      }
      if (client.protocol === terms.protocol) return { kind: 'open', isNew: true }
      drop(chargerId, client)
      return { kind: 'closed', reason: `it does not speak ${terms.protocol}` }
    },
    call: async (chargerId, call): Promise<UpstreamOutcome> => {
      const client = lines.get(chargerId)
      if (client?.state !== ocppRpc.RPCClient.OPEN) return { kind: 'unsent', reason: 'the line is closed' }
      try {
        return { kind: 'answered', payload: await client.call(call.action, call.payload) }
      } catch (error) {
        if (error instanceof ocppRpc.RPCError)
          return { kind: 'refused', code: codeOf((error as { rpcErrorCode?: unknown }).rpcErrorCode) }
        drop(chargerId, client)
        const reason = error instanceof ocppRpc.TimeoutError ? 'it did not answer' : 'the line was lost'
        return { kind: 'lost', reason: `${reason} (${call.action})` }
      }
    },
    isOpen: chargerId => lines.get(chargerId)?.state === ocppRpc.RPCClient.OPEN,
    hangUp: chargerId => {
      const client = lines.get(chargerId)
      if (client) drop(chargerId, client)
    },
    close: () => {
      isClosed = true
      for (const [chargerId, client] of lines) drop(chargerId, client)
    },
  }
}

function clientFor(
  chargerId: ChargerId,
  { terms, url, caPem, password, callTimeoutMs }: CsmsOptions,
): Client {
  const options = {
    endpoint: url.replace(/\/+$/, ''),
    identity: chargerId,
    password: password(chargerId) ?? null,
    protocols: [terms.protocol],
    reconnect: false,
    strictMode: false,
    callConcurrency: 1,
    callTimeoutMs: callTimeoutMs ?? CALL_TIMEOUT_MS,
    pingIntervalMs: PING_INTERVAL_MS,
    respondWithDetailedErrors: false,
    wsOpts: {
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_PAYLOAD_BYTES,
      perMessageDeflate: false,
      followRedirects: false,
      ...(caPem !== undefined && { ca: caPem }),
    },
  }
  // The library's types ask for every option; what is left out has its defaults.
  return new ocppRpc.RPCClient(options as unknown as ConstructorParameters<typeof ocppRpc.RPCClient>[0])
}

function countBad(client: Client, drop: () => void): void {
  let inARow = 0
  client.on('badMessage', () => {
    inARow += 1
    if (inARow > MAX_BAD_MESSAGES) drop()
  })
  client.on('response', () => {
    inARow = 0
  })
}

function answerCalls(client: Client, chargerId: ChargerId, { onCall }: CsmsOptions): void {
  client.handle(async ({ method = '', params }: { method?: string; params?: UpstreamCall['payload'] }) => {
    const answer = await onCall?.(chargerId, { action: method, payload: params ?? {} })
    if (answer) return { ...answer }
    throw ocppRpc.createRPCError('NotSupported', 'this charger is told of behind its back', {})
  })
}

async function end(client: Client, logger: Logger): Promise<void> {
  try {
    await client.close({ code: 1000, reason: 'done', awaitPending: false, force: false })
  } catch (error) {
    logger.debug('a line to a central system did not close well', { reason: reasonOf(error) })
  }
}

/** Without what the central system says in words: it may repeat what it was told. */
function whyNot(error: unknown, chargerId: ChargerId): string {
  const code = (error as { code?: unknown }).code
  if (code === 401 || code === 403) return `it refuses the password of ${chargerId} (HTTP ${code})`
  if (code === 404) return `it does not know ${chargerId} (HTTP 404)`
  if (typeof code === 'number') return `it answers HTTP ${code}`
  return reasonOf(error)
}

function codeOf(code: unknown): string {
  return typeof code === 'string' && /^[A-Za-z]{1,40}$/.test(code) ? code : 'GenericError'
}
