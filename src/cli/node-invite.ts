// `chargemesh node invite`: a code for one new node, good once and for minutes; this command waits until it was used.
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { parseHostPort } from '../config.ts'
import { InvariantBroken, MeshError } from '../errors.ts'
import { readIdentity } from '../host/identity-files.ts'
import { codeOf } from '../host/invitation.ts'
import { type NodeKeys, type OpenInvitation, openInvitation } from '../host/invite.ts'
import { ISSUER_FOLDER } from '../host/operator.ts'
import { type AdmissionFile, admissionOf, certifyNode } from '../host/site-birth.ts'
import { wholeNumber } from './number.ts'
import { asOperator, collect, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print, printJson, untilStopped } from './output.ts'
import { drawQr } from './qr.ts'
import { unlockOf } from './unlock.ts'

export type InviteOptions = OperatorOptions & {
  readonly name: string
  readonly minutes: string
  readonly host?: string
  readonly port: string
  readonly peer: readonly string[]
}

const MAX_MINUTES = 24 * 60
const MAX_NAME = 48
const MINUTE_MS = 60_000

export function addNodeInvite(node: Command): void {
  addInviteOptions(operatorOptions(node.command('invite')))
    .description('let one new node join: prints a code and waits until it was used')
    .requiredOption('--name <name>', 'name of the node, for people')
    .addHelpText(
      'after',
      `
The new node makes its keys itself; they never leave it. Whoever has the code may join in its place, so hand it over like a key.

Example:
  chargemesh node invite --site ./stadium --name pole-07 --peer 192.168.7.21:4001 --via ./pole-01
  chargemesh node join 04G00-... --dir ./pole-07            # on the new machine`,
    )
    .action(invite)
}

export function addInviteOptions(command: Command): Command {
  return command
    .option('--minutes <n>', 'the code is void then', '15')
    .option('--host <address>', 'this machine, as the new node reaches it (default: its first address)')
    .option('--port <n>', 'where to wait for it; 0 for any', '0')
    .option('--peer <host:port>', 'a node that the new one may dial; repeat for more', collect, [])
}

export async function invite(given: InviteOptions): Promise<void> {
  // Asked for now, not when the node comes.
  const unlock = given.unlock ?? unlockOf(given)
  await readIdentity(join(given.site, ISSUER_FOLDER), unlock)
  const options = { ...given, unlock }
  const minutes = wholeNumber('--minutes', options.minutes, { least: 1, most: MAX_MINUTES })
  const port = wholeNumber('--port', options.port, { least: 0, most: 65_535 })
  const host = options.host ?? ownAddress()
  if (options.name.length === 0 || options.name.length > MAX_NAME)
    throw new MeshError(
      'CONFIG_INVALID',
      `--name: ${options.name.length} characters, wanted 1 to ${MAX_NAME}`,
    )
  if (!/^[A-Za-z0-9.-]{1,64}$/.test(host))
    throw new MeshError(
      'CONFIG_INVALID',
      `--host ${host}: wanted a name or an IPv4 address of at most 64 characters`,
    )
  for (const peer of options.peer)
    if (!parseHostPort(peer))
      throw new MeshError('CONFIG_INVALID', `--peer ${peer}: wanted host:port, such as 192.168.7.21:4001`)
  const invitation = await openInvitation({
    listen: { host: '0.0.0.0', port },
    forMs: minutes * MINUTE_MS,
    nowAt: Date.now,
    peers: options.peer,
    onFault: reason => void process.stderr.write(`a node asked in vain: ${reason}\n`),
    admit: async keys => await admit(options, keys),
  })
  try {
    const code = codeOf({ host, port: invitation.port, secret: invitation.secret })
    tell(options, { code, minutes })
    await used(invitation)
    say(
      options,
      { joined: options.name },
      `${options.name} has joined; start it there with \`chargemesh node run\``,
    )
  } finally {
    await invitation.close()
  }
}

async function admit(
  options: InviteOptions,
  keys: NodeKeys,
): Promise<{ readonly name: string; readonly admission: AdmissionFile }> {
  const { name } = options
  let admission: AdmissionFile | undefined
  try {
    await asOperator({ ...options, json: true }, async operator => {
      admission = admissionOf(operator, await certifyNode(operator, keys, { name, nowAt: Date.now() }))
    })
  } catch (error) {
    // It is certified all the same, and brings its certificate to whoever did not take it now.
    if (!admission || !(error instanceof MeshError)) throw error
    process.stderr.write(`${error.message}\n`)
  }
  if (!admission) throw new InvariantBroken('an operator that did nothing')
  return { name, admission }
}

async function used({ joined }: OpenInvitation): Promise<void> {
  const stopped = untilStopped().then(signal => {
    throw new MeshError('NETWORK_FAILED', `${signal}: the code is void, nobody has used it`)
  })
  await Promise.race([joined, stopped])
}

function tell(
  options: InviteOptions,
  { code, minutes }: { readonly code: string; readonly minutes: number },
): void {
  if (options.json) printJson({ code, name: options.name, minutes })
  else
    print(
      `${drawQr(code)}\n${options.name} may join for ${minutes} minutes with\n\n  ${code}\n\n  chargemesh node join ${code} --dir ./${options.name}\n\nwaiting ...`,
    )
}

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? [])
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}
