// A line to an MQTT broker below MQTT, for both ends of the request: where it is, who may vouch for it, and what it costs. In
// the clear only to this machine.
import { connect as connectPlain, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectSecure } from 'node:tls'
import { MeshError } from '../errors.ts'

export type BrokerAccess = {
  /** mqtts://host:8883, or mqtt:// on this machine. */
  readonly url: string
  /** The only authority (PEM) that may vouch for the broker; without it, those of the system. */
  readonly caPem?: string
  readonly username?: string
  readonly password?: string
}

export type BrokerLine = {
  /** Opens a connection; again after it was closed. */
  readonly open: () => Duplex
  /** Bytes so far on all connections, TLS and all. */
  readonly traffic: () => number
}

const PORTS: Readonly<Record<string, number>> = { 'mqtts:': 8883, 'mqtt:': 1883 }

/** Throws CONFIG_INVALID on an address that is none of a broker, or is in the clear elsewhere. */
export function brokerLine({ url, caPem }: BrokerAccess): BrokerLine {
  const at = URL.canParse(url) ? new URL(url) : undefined
  const isSecure = at?.protocol === 'mqtts:'
  const host = at?.hostname.replace(/^\[|\]$/g, '') ?? ''
  const isHere = /^(localhost|127(\.\d+){3}|::1)$/.test(host)
  if (!at || host === '' || (!isSecure && !(at.protocol === 'mqtt:' && isHere)))
    throw new MeshError(
      'CONFIG_INVALID',
      `the broker's address: wanted mqtts://host:8883, got ${nameless(at)}`,
    )
  if (at.username !== '' || at.password !== '')
    throw new MeshError(
      'CONFIG_INVALID',
      'name and password do not belong into the broker’s address: --username',
    )
  const port = at.port === '' ? (PORTS[at.protocol] ?? 0) : Number(at.port)
  const counted = new Set<Socket>()
  let closedBytes = 0
  const bytesOf = (socket: Socket): number => socket.bytesRead + socket.bytesWritten
  return {
    open: () => {
      const raw = connectPlain({ host, port, noDelay: true })
      counted.add(raw)
      raw.on('close', () => {
        closedBytes += bytesOf(raw)
        counted.delete(raw)
      })
      if (!isSecure) return raw
      const isName = !/^[\d.]+$|:/.test(host)
      const secure = connectSecure({
        ...{ socket: raw, host, minVersion: 'TLSv1.2' },
        ...(isName && { servername: host }),
        ...(caPem !== undefined && { ca: caPem }),
      })
      // A connection that is never made has an error of its own, which TLS does not hand on.
      raw.on('error', error => secure.destroy(error))
      return secure
    },
    traffic: () => [...counted].reduce((sum, socket) => sum + bytesOf(socket), closedBytes),
  }
}

/** What a password in an address says is for no log. */
function nameless(at: URL | undefined): string {
  return at ? `${at.protocol}//${at.host}` : 'something else'
}
