// The sockets beneath the central system: HTTP in the clear or over TLS 1.2 and later, with the cipher suites that OCPP asks
// for, and what a peer has shown of itself by the time it asks for an upgrade. Who may come in is decided elsewhere.
import { createHash, type X509Certificate } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { MeshError, reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'
import { MAX_HEADER_BYTES } from './guard.ts'
import type { Peer, ShownCertificate } from './profile.ts'

/** PEM. Several keys: the client's cipher suites choose. `ca`: whose signatures on chargers' certificates count. */
export type TlsMaterial = {
  readonly key: readonly string[]
  readonly cert: readonly string[]
  readonly ca: readonly string[]
}
export type DoorOptions = {
  readonly listen: { readonly host: string; readonly port: number }
  /** Without it, in the clear. */
  readonly tls?: TlsMaterial | undefined
  readonly logger: Logger
  /** What is no upgrade. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** A connection that never got as far as an upgrade. */
  readonly onTlsFault: (reason: string) => void
}
export type Door = {
  readonly server: Server
  readonly port: number
  /** For connections from now on. */
  readonly setTls: (tls: TlsMaterial) => void
  readonly close: () => Promise<void>
}

const HEADERS_TIMEOUT_MS = 10_000
const HANDSHAKE_TIMEOUT_MS = 10_000
const MAX_SOCKETS = 2048
/**
 * OCPP 2.0.1, A00.FR.318, and the 1.6 security whitepaper, 4.3.4: the two with ECDHE_ECDSA and the two with RSA. Before them
 * those of TLS 1.3; beside them ECDHE_RSA, which keeps old recordings closed where a charger knows only RSA certificates.
 */
export const CIPHERS = [
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ...['AES128-GCM-SHA256', 'AES256-GCM-SHA384'],
].join(':')

/** Listens. CONFIG_INVALID when it cannot, or when key and certificate do not fit. */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const { listen, tls, logger, onRequest } = options
  const server = tls ? createSecure(tls, options) : createServer(SETTINGS, onRequest)
  // The guard counts headers itself: node would silently leave out those above its limit.
  server.maxHeadersCount = 0
  server.maxConnections = MAX_SOCKETS
  server.on('error', error => logger.error('ocpp-server-failed', { reason: reasonOf(error) }))
  await listening(server, listen)
  return {
    server,
    port: (server.address() as AddressInfo).port,
    setTls: material => {
      if (tls) (server as HttpsServer).setSecureContext(contextOf(material))
    },
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

const SETTINGS = { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: HEADERS_TIMEOUT_MS, noDelay: true }

function createSecure(tls: TlsMaterial, { onRequest, onTlsFault }: DoorOptions): HttpsServer {
  try {
    const server = createTlsServer(
      {
        ...SETTINGS,
        ...contextOf(tls),
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        // Asked of everybody, and looked at for who is registered for security profile 3; many chargers have none.
        requestCert: true,
        rejectUnauthorized: false,
      },
      onRequest,
    )
    // Its code, such as ERR_SSL_NO_SHARED_CIPHER; the message holds places in the library's source.
    server.on('tlsClientError', (error: Error & { code?: string }) =>
      onTlsFault(error.code ?? reasonOf(error)),
    )
    return server
  } catch (error) {
    throw new MeshError(
      'CONFIG_INVALID',
      `the TLS key and certificate cannot be used: ${reasonOf(error)}`,
      error,
    )
  }
}

function contextOf({ key, cert, ca }: TlsMaterial) {
  return {
    ...{ key: [...key], cert: [...cert], ciphers: CIPHERS, honorCipherOrder: true },
    // None: nobody's certificate counts, least of all one of the public authorities that node would take instead.
    ca: [...ca],
    minVersion: 'TLSv1.2' as const,
  }
}

function listening(server: Server, listen: DoorOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(new MeshError('CONFIG_INVALID', `cannot listen on ${listen.host}:${listen.port}`, error))
    server.once('error', failed)
    server.listen(listen.port, listen.host, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host)
}

/** What the other end of an upgrade has shown. */
export function peerOf(socket: Socket): Peer {
  const address = socket.remoteAddress ?? ''
  const isTls = socket instanceof TLSSocket
  const certificate = isTls ? shownBy(socket) : undefined
  return { address, isTls, isHere: isLoopback(address), ...(certificate && { certificate }) }
}

function shownBy(socket: TLSSocket): ShownCertificate | undefined {
  const shown = socket.getPeerX509Certificate()
  if (!shown) return undefined
  const fault = socket.authorized ? undefined : String(socket.authorizationError ?? 'not authorized')
  return {
    names: namesOf(shown),
    fingerprint: new Uint8Array(createHash('sha256').update(shown.raw).digest()),
    ...(fault !== undefined && { fault }),
  }
}

/**
 * The DNS names, as they stand there, and the common names only where there are none: a common name is what the charger
 * itself has asked for, and may be that of another one.
 */
function namesOf({ subject, subjectAltName = '' }: X509Certificate): readonly string[] {
  // node writes one field a line, and puts quotes around an alternative name that holds a comma or a quote.
  const common = (subject ?? '').split('\n').flatMap(line => (line.startsWith('CN=') ? [line.slice(3)] : []))
  const others = subjectAltName.split(', ').flatMap(one => (one.startsWith('DNS:') ? [one.slice(4)] : []))
  return others.length > 0 ? others : common
}
