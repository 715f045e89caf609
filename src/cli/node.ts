// `chargemesh node`: make one, run one.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { writeNodeConfig } from '../config.ts'
import { MeshError } from '../errors.ts'
import { IDENTITY_FILE } from '../host/identity-files.ts'
import { invitationIn } from '../host/invitation.ts'
import { joinByInvitation } from '../host/join.ts'
import { API_FILE, NODE_FILE } from '../host/node-files.ts'
import { createNode } from '../host/site-birth.ts'
import { addNodeInvite } from './node-invite.ts'
import { addNodeReplace } from './node-replace.ts'
import { addNodeRevoke } from './node-revoke.ts'
import { asOperator, collect, say } from './operator.ts'
import { print, untilStopped } from './output.ts'
import { sealOf, sealOptions, type UnlockOptions, unlockOf, unlockOptions } from './unlock.ts'

type JoinOptions = {
  readonly site?: string
  readonly dir: string
  readonly name?: string
  readonly mesh: string
  readonly ocpp: string
  readonly ocppTls?: string
  readonly api: string
  readonly driver?: string
  readonly peer: readonly string[]
  readonly discovery: boolean
  readonly insecureOcpp?: boolean
  readonly via: readonly string[]
  readonly json?: boolean
} & UnlockOptions

export function addNodeCommands(program: Command): void {
  const node = program
    .command('node')
    .description('make and run nodes: one beside each charger, or beside a few')
  sealOptions(node.command('join [code]'))
    .description('make a node: its keys, its certificate, its settings, and all cards known so far')
    .requiredOption('--dir <dir>', 'the new node’s folder')
    .option(
      '--site <dir>',
      "without a code: the site's folder; copy the node's folder to the machine that will run it",
    )
    .option('--name <name>', 'without a code: name of the node, for people')
    .option('--mesh <host:port>', 'where other nodes reach it', '0.0.0.0:4001')
    .option(
      '--ocpp <host:port>',
      'where chargers reach it: in the clear on loopback, over TLS elsewhere',
      '127.0.0.1:8887',
    )
    .option('--ocpp-tls <host:port>', 'a second door for chargers, always over TLS')
    .option('--api <host:port>', 'operator plane', '127.0.0.1:0')
    .option('--driver <host:port>', 'driver plane, for apps and pages of drivers; without it there is none')
    .option('--peer <host:port>', 'address of another node; repeat for more', collect, [])
    .option(
      '--no-discovery',
      'find other nodes only by --peer and by addresses that worked before, not by multicast DNS or from peers',
    )
    .option(
      '--insecure-ocpp',
      'let chargers of security profiles 0 and 1 connect in the clear from other machines (isolated charger VLAN only)',
    )
    .option('--via <dir>', 'folder of a running node that learns of the new certificate at once', collect, [])
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
With a code from \`chargemesh node invite\` the keys are made here and never leave this machine.

Examples:
  chargemesh node join 04G00-TSC0A-... --dir ./pole-07
  chargemesh node join --site ./stadium --name pole-07 --dir ./pole-07 --peer 192.168.7.21:4001`,
    )
    .action(join_)
  addNodeInvite(node)
  addNodeRevoke(node)
  addNodeReplace(node)
  unlockOptions(node.command('run'))
    .description('run the node in a folder until it is stopped')
    .requiredOption('--dir <dir>', 'the node’s folder')
    .option('--json', 'print its addresses as JSON when it is ready')
    .addHelpText('after', '\nExample:\n  chargemesh node run --dir ./pole-07')
    .action(async (options: UnlockOptions & { dir: string; json?: boolean }) => {
      // Loaded only here: libp2p and the OCPP server would slow down every other command.
      const { runNode } = await import('../host/runner.ts')
      const running = await runNode(options.dir, unlockOf(options))
      const { name, apiUrl, driverUrl, ocppUrl, ocppTlsUrl, meshAddresses, warnings } = running
      for (const says of warnings) process.stderr.write(`warning: ${says}\n`)
      const ocpp = { ocppUrl, ...(ocppTlsUrl !== undefined && { ocppTlsUrl }) }
      if (options.json)
        print(JSON.stringify({ ready: true, name, apiUrl, driverUrl, ...ocpp, meshAddresses }))
      else
        print(
          `${name} runs\n  chargers: ${Object.values(ocpp).join('/<identity> and ')}/<identity>\n  mesh:     ${meshAddresses.join(' ')}\n  operator: ${apiUrl} (token in ${join(options.dir, API_FILE)})${driverUrl === undefined ? '' : `\n  drivers:  ${driverUrl}`}`,
        )
      const signal = await untilStopped()
      process.stderr.write(`${signal}: stopping\n`)
      await running.close()
    })
}

async function join_(code: string | undefined, options: JoinOptions): Promise<void> {
  const file = join(options.dir, NODE_FILE)
  if (await exists(join(options.dir, IDENTITY_FILE)))
    throw new MeshError('CONFIG_INVALID', `${options.dir} holds a node already; choose an empty folder`)
  if (await exists(file))
    throw new MeshError(
      'CONFIG_INVALID',
      `${file} exists, and there is no identity beside it: an earlier join did not finish. Remove the folder and join again`,
    )
  if (code === undefined) await joinHere(options, file)
  else await joinByCode(code, options, file)
}

/** The operator's machine makes the whole node. */
async function joinHere(options: JoinOptions, file: string): Promise<void> {
  const { site, name } = options
  if (site === undefined || name === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      'give the code that `chargemesh node invite` printed, or --site and --name on the operator’s machine',
    )
  // Settings are checked before anything is written.
  const settings = configOf(options, { name, peers: options.peer })
  const unlock = await sealOf(options, options.dir)
  // The options say how the new folder is encrypted; the site's may have another secret.
  await asOperator({ site, via: options.via, json: true, unlock: unlockOf({}) }, async operator => {
    const node = { name, nowAt: Date.now(), settings, unlock }
    const certificate = await createNode(operator, options.dir, node)
    tellReady(options, { name, deviceId: certificate.deviceId, file, isSealed: unlock.isChosen })
  })
}

async function joinByCode(code: string, options: JoinOptions, file: string): Promise<void> {
  const invitation = invitationIn(code)
  if (!invitation)
    throw new MeshError(
      'CONFIG_INVALID',
      'that is no invitation: a character is wrong or missing, compare it once more',
    )
  if (options.site !== undefined || options.name !== undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      'with a code, --site and --name are what the operator says: leave them out',
    )
  configOf(options, { name: 'to come', peers: options.peer })
  const unlock = await sealOf(options, options.dir)
  const { certificate, name, isUnheard, clockOffMs } = await joinByInvitation(options.dir, invitation, {
    nowAt: Date.now,
    unlock,
    settings: (called, peers) =>
      configOf(options, { name: called, peers: [...new Set([...peers, ...options.peer])] }),
  })
  if (isUnheard)
    process.stderr.write(
      'the operator’s machine did not hear that this node is ready; `node invite` may be stopped there\n',
    )
  if (clockOffMs !== undefined)
    process.stderr.write(
      `the clock of this machine is ${Math.round(Math.abs(clockOffMs) / 3_600_000)} hours ${clockOffMs > 0 ? 'ahead of' : 'behind'} the operator’s: set it before you start the node, or others may refuse it\n`,
    )
  tellReady(options, { name, deviceId: certificate.deviceId, file, isSealed: unlock.isChosen })
}

function configOf(
  options: JoinOptions,
  { name, peers }: { readonly name: string; readonly peers: readonly string[] },
): string {
  return writeNodeConfig({
    name,
    mesh: { listen: options.mesh, peers: [...peers], discovery: options.discovery ? 'on' : 'off' },
    ocpp: {
      listen: options.ocpp,
      ...(options.ocppTls !== undefined && { listenTls: options.ocppTls }),
      allowInsecure: options.insecureOcpp ?? false,
    },
    api: { listen: options.api },
    ...(options.driver !== undefined && { driver: { listen: options.driver } }),
  })
}

type Ready = {
  readonly name: string
  readonly deviceId: string
  readonly file: string
  readonly isSealed: boolean
}

const SEALED =
  '  its keys are encrypted: it starts only with that passphrase or key, so keep a copy elsewhere'
const PLAIN =
  '  its keys lie in the clear: who takes the box has them. `chargemesh keys encrypt` changes that'

function tellReady(options: JoinOptions, { name, deviceId, file, isSealed }: Ready): void {
  say(
    options,
    { name, deviceId, dir: options.dir },
    `node ${name} is ready in ${options.dir}; its settings are in ${file}\n  start it: chargemesh node run --dir ${options.dir}\n${isSealed ? SEALED : PLAIN}`,
  )
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}
