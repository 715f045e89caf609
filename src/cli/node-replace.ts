// `chargemesh node replace`: a new box in the place of one that is broken or gone.
import { join } from 'node:path'
import type { Command } from 'commander'
import { submitTo } from '../api/client.ts'
import { parseNodeConfig, writeNodeConfig } from '../config.ts'
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import { NODE_FILE } from '../host/node-files.ts'
import { salvage } from '../host/salvage.ts'
import { createNode, requireVacant } from '../host/site-birth.ts'
import { addInviteOptions, type InviteOptions, invite } from './node-invite.ts'
import { revoke } from './node-revoke.ts'
import { asOperator, clientIn, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { type UnlockOptions, unlockOf } from './unlock.ts'

type ReplaceOptions = OperatorOptions &
  Omit<InviteOptions, 'name'> & {
    readonly with: string
    readonly from?: string
    readonly fromPassphraseFile?: string
    readonly fromKeyFile?: string
    readonly dir?: string
    readonly stolen?: boolean
    readonly since?: string
  }

export function addNodeReplace(node: Command): void {
  addInviteOptions(operatorOptions(node.command('replace <name>')))
    .description('put a new node in the place of one that is broken, gone or stolen')
    .requiredOption('--with <name>', 'name of the new node')
    .option('--from <dir>', 'folder of the old node (its disk, its card): what only it knew is saved first')
    .option('--from-passphrase-file <file>', 'the passphrase of that folder, where it is encrypted')
    .option('--from-key-file <file>', 'the key of that folder, where it is encrypted')
    .option('--dir <dir>', 'make the new node here, with the settings of --from; else print a code for it')
    .option('--stolen', 'the old one was stolen: it is shut out at once')
    .option('--since <time>', 'with --stolen: gone since then')
    .addHelpText(
      'after',
      `
Chargers need nothing: they connect to the new node under their own names. Sessions that only the old node knew are worth money: with
--from they are read from its disk and given to the mesh, and then the old node is revoked. Without --from and --stolen it stays
certified, so that it can still deliver what it has; revoke it when its disk has been read or is lost for good.

Examples:
  chargemesh node replace pole-07 --with pole-07b --from /media/old-card --dir ./pole-07b --site ./stadium --via ./pole-01
  chargemesh node replace pole-07 --with pole-07b --stolen --site ./stadium --via ./pole-01      # prints a code`,
    )
    .action(replace)
}

async function replace(name: string, given: ReplaceOptions): Promise<void> {
  const options = { ...given, unlock: unlockOf(given) }
  if (options.via.length === 0)
    throw new MeshError(
      'CONFIG_INVALID',
      'name the folder of a running node with --via: it takes over what the old one knew',
    )
  if (options.from !== undefined && options.stolen)
    throw new MeshError(
      'CONFIG_INVALID',
      '--from and --stolen: whoever has the disk has not lost it; leave one out',
    )
  // Whatever could go wrong with the new one is found before the old one is out.
  if (options.dir !== undefined) {
    await requireVacant(options.dir)
    await settingsOf(options)
  }
  if (options.stolen) await revoke(name, { ...options, isRevokedAlready: true })
  const saved = options.from === undefined ? undefined : await save(options.from, options)
  if (saved) await revoke(name, { ...options, reason: `replaced by ${options.with}`, isRevokedAlready: true })
  if (options.dir === undefined) await invite({ ...options, name: options.with })
  else await makeHere(options.dir, options)
  const left = saved
    ? `what ${name} knew (${saved.events} events) is with the mesh, ${saved.admitted} of them were news${saved.lost > 0 ? `; ${saved.lost} records of its disk could not be read` : ''}`
    : options.stolen
      ? `${name} is shut out`
      : `${name} stays certified, in case it comes back with what only it knows; then, or when its disk is lost for good: chargemesh node revoke ${name}`
  say(
    options,
    { replaced: name, with: options.with, ...saved },
    `${options.with} stands in for ${name}; ${left}`,
  )
}

async function save(
  dir: string,
  options: ReplaceOptions,
): Promise<{ readonly events: number; readonly admitted: number; readonly lost: number }> {
  const { handover, events, lost } = await salvage(dir, unlockOf(keysOf(options)))
  let admitted = 0
  for (const via of options.via) {
    const report = await submitTo(await clientIn(via), handover)
    if (report.refused.length > 0)
      throw new MeshError(
        'NODE_UNREACHABLE',
        `${via} has not taken all that ${dir} holds, nothing was replaced: ${report.refused.slice(0, 3).join('; ')}`,
      )
    admitted += report.admitted
  }
  return { events, admitted, lost }
}

/** The old node's own, not the operator's. */
function keysOf({ fromPassphraseFile, fromKeyFile }: ReplaceOptions): UnlockOptions {
  return {
    ...(fromPassphraseFile !== undefined && { passphraseFile: fromPassphraseFile }),
    ...(fromKeyFile !== undefined && { keyFile: fromKeyFile }),
  }
}

async function makeHere(dir: string, options: ReplaceOptions): Promise<void> {
  const settings = await settingsOf(options)
  await asOperator({ ...options, json: true }, async operator => {
    await createNode(operator, dir, { name: options.with, nowAt: Date.now(), settings })
  })
}

/** The old node's own, where its folder is at hand: addresses, neighbours, TLS. */
async function settingsOf({ from, with: name, peer }: ReplaceOptions): Promise<string> {
  if (from === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      '--dir copies the settings of the old node: name its folder with --from, or leave --dir out',
    )
  const file = join(from, NODE_FILE)
  const old = parseNodeConfig(file, await readText(file, 'the old node’s settings'))
  return writeNodeConfig({
    ...old,
    name,
    mesh: { ...old.mesh, peers: [...new Set([...old.mesh.peers, ...peer])] },
  })
}
