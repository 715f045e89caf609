// `chargemesh charger add`, `charger profile`: who may connect, and what it has to show for it (OCPP security profiles).
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import type { Operator } from '../host/operator.ts'
import { AUTHORITY_FILE, type SiteTls, siteTlsOf } from '../host/site-tls.ts'
import { systemRandom } from '../host/system.ts'
import type { AnyBody, BodyOf } from '../log/body.ts'
import { makeCredential } from '../ocpp/credential.ts'
import type { ChargerId } from '../units.ts'
import { identityOf } from './charger-order.ts'
import { connectorTypeOf } from './grant-terms.ts'
import { wholeNumber } from './number.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { DASH_HELP, secretOf } from './secret.ts'

type AddOptions = OperatorOptions & {
  readonly connectors: string
  readonly zone?: string
  readonly type?: string
  readonly maxKw?: string
  readonly phases?: string
  readonly profile: string
  readonly password?: string
}

/** TLS and a password: what most chargers can do, and nothing of it can be read on the way. */
const DEFAULT_PROFILE = '2'
const PROFILES = { least: 0, most: 3 }
const MAX_CONNECTORS = 99
const WHAT_IT_SHOWS = [
  'nothing at all, only to nodes that let chargers speak in the clear',
  'a password, also in the clear',
  'a password, over TLS only',
  "a certificate of the site's own authority",
]

export function addChargerAdd(charger: Command): void {
  operatorOptions(charger.command('add <identities...>'))
    .description('let chargers connect; prints what to enter there, and each password once')
    .option('--connectors <n>', 'number of connectors', '1')
    .option('--zone <name>', 'zone of the site, for cards that are bound to one')
    .option(
      '--type <type>',
      'connector type, where all are of one, such as IEC_62196_T2; for cards bound to one',
    )
    .option(
      '--max-kw <n>',
      'the most that one connector gives: set in the charger as its limit, and for cards bound to slower ones',
    )
    .option('--phases <n>', 'of its supply, 1 or 3: to count its limit in amperes where it takes no watts')
    .option(
      '--profile <n>',
      `OCPP security profile: 3 ${WHAT_IT_SHOWS[3]}, 2 ${WHAT_IT_SHOWS[2]}, 1 ${WHAT_IT_SHOWS[1]}, 0 ${WHAT_IT_SHOWS[0]}`,
      DEFAULT_PROFILE,
    )
    .option(
      '--password <text>',
      `set this password (16 to 40 characters) instead of drawing one; ${DASH_HELP}`,
    )
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh charger add CP01 --connectors 2 --site ./stadium --via ./pole-07',
    )
    .action(addCharger)
  operatorOptions(charger.command('profile <identity> <n>'))
    .description('ask another OCPP security profile (0 to 3) of a charger; its password stays')
    .addHelpText(
      'after',
      `
To move a charger from 2 to 3: give it a certificate (\`charger certificate sign\`), set its SecurityProfile to 3, and when it has
come back so, close the way by password with this.

Example:
  chargemesh charger profile CP01 3 --site ./stadium --via ./pole-07`,
    )
    .action(async (text: string, asked: string, options: OperatorOptions) => {
      const identity = identityOf(text)
      const profile = wholeNumber('profile', asked, PROFILES)
      await asOperator(options, async operator => {
        await operator.record([
          { name: 'charge_point', body: { ...registrationOf(operator, identity), profile } },
        ])
        say(options, { identity, profile }, `${identity} has to show ${WHAT_IT_SHOWS[profile]} from now on`)
      })
    })
}

async function addCharger(identities: readonly string[], options: AddOptions): Promise<void> {
  const connectors = wholeNumber('--connectors', options.connectors, { least: 1, most: MAX_CONNECTORS })
  const profile = wholeNumber('--profile', options.profile, PROFILES)
  const about = {
    ...(options.zone !== undefined && { zone: options.zone }),
    ...(options.type !== undefined && { connectorType: connectorTypeOf('--type', options.type) }),
    ...(options.maxKw !== undefined && { maxPowerW: 1000 * wholeNumber('--max-kw', options.maxKw) }),
    ...(options.phases !== undefined && {
      phases: wholeNumber('--phases', options.phases, { least: 1, most: 3 }),
    }),
  }
  const hasPassword = profile === 1 || profile === 2
  if (!hasPassword && options.password !== undefined)
    throw new MeshError('CONFIG_INVALID', `--password: profile ${profile} has none`)
  const chosen = options.password === undefined ? undefined : await secretOf(options.password)
  // Without a password of its own it gets one that nobody knows.
  const added = identities.map(identity => ({
    ...{ identity: identityOf(identity), password: passwordOf(chosen) },
  }))
  await asOperator(options, async operator => {
    const bodies: AnyBody[] = []
    const { policy } = operator.ledger.view()
    const before = added.map(({ identity }) => identity).filter(identity => policy.chargePoint(identity))
    for (const { identity, password } of added) {
      const { salt, hash, cost } = await makeCredential(password, systemRandom())
      const body = { chargerId: identity, salt, hash, cost, connectors, ...about, withdrawn: false, profile }
      bodies.push({ name: 'charge_point', body })
    }
    await operator.record(bodies)
    const entries = entriesOf(operator, options, profile)
    say(
      options,
      added.map(({ identity, password }) => ({
        ...{ identity, ...(hasPassword && { password }), profile, ...entries.said },
      })),
      `${entries.text}\n${added.map(({ identity, password }) => lineOf(identity, hasPassword ? password : undefined)).join('\n')}${hasPassword ? '\nthe passwords are shown only now' : ''}${againText(before)}`,
    )
  })
}

type Entries = {
  readonly said: { readonly url: string; readonly caFile?: string }
  readonly text: string
}

/** What a person enters into the charger. */
function entriesOf(operator: Operator, { site }: OperatorOptions, profile: number): Entries {
  const tls = siteTlsOf(operator)
  const isTls = profile >= 2
  const host = (isTls && tls?.names[0]) || '<node>'
  const url = `${isTls ? 'wss' : 'ws'}://${host}:8887/ocpp/`
  const caFile = isTls && tls ? join(site, AUTHORITY_FILE) : undefined
  const lines = [
    `may connect by security profile ${profile}: ${WHAT_IT_SHOWS[profile]}`,
    `  URL      ${url}, the identity behind it; the port is that of the node`,
    isTls &&
      tls &&
      `           the certificate is for ${tls.names.join(', ')}; others: \`chargemesh site tls --ocpp-name\``,
    caFile && `  CA       ${caFile}, to be installed in the charger (CentralSystemRootCertificate)`,
    isTls && !tls && '  this site has no TLS for chargers yet: `chargemesh site tls` makes it',
    profile === 3 && '  certificate: `chargemesh charger certificate issue <identity>`',
  ]
  return {
    said: { url, ...(caFile !== undefined && { caFile }) },
    text: lines.filter(line => typeof line === 'string').join('\n'),
  }
}

/** Who only wanted another password has to hear what else is gone. */
function againText(before: readonly string[]): string {
  if (before.length === 0) return ''
  return `\nadded anew: ${before.join(', ')}; what was said of them before (passwords, certificates, zone, power) counts no more`
}

function lineOf(identity: string, password: string | undefined): string {
  return password === undefined ? `${identity}` : `${identity}  user ${identity}  password ${password}`
}

/** What the operator has said of a charger last. */
export function registrationOf(operator: Operator, identity: ChargerId): BodyOf<'charge_point'> {
  const held = operator.ledger.view().policy.chargePoint(identity)
  if (held) return held
  throw new MeshError(
    'CONFIG_INVALID',
    `${identity} is no charger of this site: \`chargemesh charger add ${identity}\` makes it one`,
  )
}

/** For commands that need the site's authority. */
export function requireTls(operator: Operator): SiteTls {
  const tls = siteTlsOf(operator)
  if (tls) return tls
  throw new MeshError(
    'CONFIG_INVALID',
    'this site has no TLS for chargers yet: `chargemesh site tls` makes it',
  )
}

function passwordOf(chosen: string | undefined): string {
  const password = chosen ?? randomBytes(12).toString('hex')
  if (/^[\x21-\x7e]{16,40}$/.test(password)) return password
  throw new MeshError(
    'CONFIG_INVALID',
    '--password: 16 to 40 printable characters without spaces (OCPP AuthorizationKey)',
  )
}
