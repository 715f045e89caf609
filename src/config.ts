// A node's settings: one YAML file in its folder, `node.yaml`. Every field has a unit in its name, a default and a
// bound; whatever is wrong is named with file, field, value and what would be right.
import { parseDocument, stringify } from 'yaml'
import { z } from 'zod'
import { MeshError } from './errors.ts'

export type HostPort = { readonly host: string; readonly port: number }

const HOST_PORT = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/

/** `host:port`, or undefined. IPv6 in brackets. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = HOST_PORT.exec(text)
  const host = match?.[1]
  const port = Number(match?.[2])
  if (host === undefined || port > 65_535) return undefined
  return { host: host.replace(/^\[|\]$/g, ''), port }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

const hostPort = z
  .string()
  .refine(text => parseHostPort(text) !== undefined, 'host:port, such as 192.168.7.21:4001 or [::1]:4001')

const OCPP = z
  .strictObject({
    /** In the clear on loopback; elsewhere over TLS, with the certificate that the operator made for the site. */
    listen: hostPort.default('127.0.0.1:8887'),
    /** A second door, always over TLS, beside one in the clear. */
    listenTls: hostPort.optional(),
    /** Passwords in the clear over the network: only on a wired charger VLAN (OCPP security profiles 0 and 1). */
    allowInsecure: z.boolean().default(false),
    /** PEM files; with both, they are shown to chargers instead of the site's certificate. */
    tlsKeyFile: z.string().optional(),
    tlsCertFile: z.string().optional(),
    heartbeatS: z.int().min(10).max(86_400).default(300),
  })
  .superRefine(({ tlsKeyFile, tlsCertFile }, context) => {
    // One of them alone would quietly mean no encryption at all.
    const message = 'tlsKeyFile and tlsCertFile belong together'
    if (tlsKeyFile !== undefined && tlsCertFile === undefined)
      context.addIssue({ code: 'custom', path: ['tlsCertFile'], message })
    if (tlsKeyFile === undefined && tlsCertFile !== undefined)
      context.addIssue({ code: 'custom', path: ['tlsKeyFile'], message })
  })

const API = z
  .strictObject({
    /** The operator's plane speaks plain HTTP: its token would be read on the way. */
    listen: hostPort.default('127.0.0.1:0'),
    allowInsecure: z.boolean().default(false),
  })
  .superRefine(({ listen, allowInsecure }, context) => {
    const host = parseHostPort(listen)?.host
    if (allowInsecure || host === undefined || isLoopback(host)) return
    const message = 'without TLS only on loopback, such as 127.0.0.1:0; or set api.allowInsecure: true'
    context.addIssue({ code: 'custom', path: ['listen'], message })
  })

const DRIVER = z
  .strictObject({
    listen: hostPort.default('127.0.0.1:8890'),
    /** Cards in the clear over the network: only on a network that carries nothing else. */
    allowInsecure: z.boolean().default(false),
    /** PEM files; with both, apps connect by https. */
    tlsKeyFile: z.string().optional(),
    tlsCertFile: z.string().optional(),
    /** Proxies in front: the driver's address is what they say in X-Forwarded-For. */
    trustedProxies: z
      .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
      .max(16)
      .default([]),
  })
  .superRefine(({ listen, allowInsecure, tlsKeyFile, tlsCertFile }, context) => {
    const missing = tlsKeyFile === undefined ? 'tlsKeyFile' : 'tlsCertFile'
    if ((tlsKeyFile === undefined) !== (tlsCertFile === undefined)) {
      const message = 'tlsKeyFile and tlsCertFile belong together'
      context.addIssue({ code: 'custom', path: [missing], message })
    }
    const host = parseHostPort(listen)?.host
    if (allowInsecure || tlsKeyFile !== undefined || host === undefined || isLoopback(host)) return
    const message = 'without TLS only on loopback, such as 127.0.0.1:8890; or set driver.allowInsecure: true'
    context.addIssue({ code: 'custom', path: ['listen'], message })
  })

const NODE = z.strictObject({
  name: z.string().min(1).max(48),
  mesh: z.strictObject({
    /** Where other nodes reach this one. Port 0 lets the system choose. */
    listen: hostPort.default('0.0.0.0:4001'),
    /** Addresses of other nodes; a few are enough. */
    peers: z.array(hostPort).max(512).default([]),
    maxPeers: z.int().min(1).max(256).default(64),
    /** Finds other nodes by multicast DNS and by what peers tell; off: only by `peers` and by addresses that worked before. */
    discovery: z.enum(['on', 'off']).default('on'),
  }),
  ocpp: OCPP,
  api: API,
  /** The driver's plane; there is none where this is left out. */
  driver: DRIVER.optional(),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
})

export type NodeConfig = z.infer<typeof NODE>
export type NodeConfigInput = z.input<typeof NODE>

/** Reads the text of a node.yaml. Throws MeshError CONFIG_INVALID that names every wrong field. */
export function parseNodeConfig(file: string, text: string): NodeConfig {
  return checkYaml(file, NODE, text)
}

/** The same of any settings file. */
export function checkYaml<S extends z.ZodType>(file: string, schema: S, text: string): z.infer<S> {
  const document = parseDocument(text, { prettyErrors: true })
  const broken = document.errors[0]
  if (broken) throw new MeshError('CONFIG_INVALID', `${file}: not YAML: ${broken.message}`)
  return check(file, schema, plainValueOf(file, document))
}

function plainValueOf(file: string, document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (error) {
    // The library throws this for an alias, which in a settings file could only be a trap.
    if (!(error instanceof ReferenceError)) throw error
    throw new MeshError('CONFIG_INVALID', `${file}: write values out, without an alias (*name)`, error)
  }
}

/** A complete node.yaml for these settings, defaults written out. */
export function writeNodeConfig(input: NodeConfigInput): string {
  return stringify(check('node settings', NODE, input))
}

/** Parses a value from outside, or throws MeshError CONFIG_INVALID with one line a fault. */
export function check<S extends z.ZodType>(file: string, schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const lines = result.error.issues.slice(0, 20).map(issue => {
    const field = issue.path.join('.') || '(whole file)'
    const shown = issue.path.some(step => UNSHOWN.includes(step)) ? '…' : show(at(value, issue.path))
    return `${file}: ${field} = ${shown}: ${issue.message}`
  })
  throw new MeshError('CONFIG_INVALID', lines.join('\n'))
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  let here: unknown = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined
    here = Reflect.get(here, step)
  }
  return here
}

/** What no message repeats: a card's own id (PROTOCOL 2.5), secret keys and passwords. */
const UNSHOWN: readonly unknown[] = [
  ...['idTag', 'card', 'peerKey', 'logKey', 'sealKey', 'siteKey', 'chargerCa', 'token'],
  ...['password', 'passwords', 'defaultPassword'],
]

function show(value: unknown): string {
  const text = JSON.stringify(value, (key, held) => (UNSHOWN.includes(key) ? '…' : held)) ?? 'missing'
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
