// `chargemesh keys rotate`, `keys renew`: new keys for a site, without losing a node that is away.
import { join } from 'node:path'
import type { Command } from 'commander'
import { logsOf } from '../api/client.ts'
import { MeshError } from '../errors.ts'
import { ROOT_FILE, readSite } from '../host/identity-files.ts'
import { reissue, restate } from '../host/reissue.ts'
import { requireRoot } from '../host/root-shares.ts'
import { newSiteKey, upkeepOf } from '../host/upkeep.ts'
import type { EventHash, LogId } from '../units.ts'
import { asOperator, clientIn, collect, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { unlockOf } from './unlock.ts'

export function addKeysRotate(keys: Command): void {
  const rotate = keys.command('rotate').description('make a new key in the place of one that may be known')
  operatorOptions(rotate.command('site'))
    .description('a new key for card references: after a node was stolen, or once a year')
    .addHelpText(
      'after',
      `
The new key lies in the operator's log, sealed to every node that is not revoked; one that is away finds it when it comes back.
Cards granted from now on go by the new key, and those of before work on: import them again to move them too. A thief who has
the old key can still tell which cards of before the site knows.

Example:
  chargemesh node revoke pole-07 --stolen --site ./stadium --via ./pole-01
  chargemesh keys rotate site --site ./stadium --via ./pole-01`,
    )
    .action(rotateSite)
  operatorOptions(rotate.command('issuer'))
    .description(
      'new keys for the operator, and an end of the old ones: every 90 days, or when a copy was stolen',
    )
    .option(
      '--root-key <file>',
      "the site's root key, or a share of it; repeat for more shares (default: root.key in the site's folder)",
      collect,
      [],
    )
    .option('--stolen', 'somebody has the old keys: all that counts is said again by the new ones')
    .addHelpText(
      'after',
      `
What the old issuer wrote until now stays: cards, prices, nodes. What anybody writes with its keys from now on counts nowhere.

Examples:
  chargemesh keys rotate issuer --site ./stadium --root-key /media/safe/root.key --via ./pole-01
  chargemesh keys rotate issuer --stolen --site ./stadium --root-key /media/safe/root.key --via ./pole-01`,
    )
    .action(rotateIssuer)
  operatorOptions(keys.command('renew'))
    .description(
      'renew the certificates of all nodes now; each command of the operator renews what ends within 30 days',
    )
    .addHelpText('after', '\nExample:\n  chargemesh keys renew --site ./stadium --via ./pole-01')
    .action(renew)
}

async function rotateSite(options: OperatorOptions): Promise<void> {
  await asOperator(options, async operator => {
    const bodies = newSiteKey(operator)
    await operator.record(bodies)
    const devices = bodies.reduce(
      (sum, one) => sum + (one.name === 'site_key' ? one.body.boxes.length : 0),
      0,
    )
    say(options, { rotated: 'site', devices }, `the site has a new key, sealed to ${devices} devices`)
  })
}

type IssuerOptions = OperatorOptions & { readonly rootKey: readonly string[]; readonly stolen?: boolean }

async function rotateIssuer(options: IssuerOptions): Promise<void> {
  const unlock = unlockOf(options)
  const files = options.rootKey.length > 0 ? options.rootKey : [join(options.site, ROOT_FILE)]
  const rootSeed = await requireRoot(files, await readSite(options.site), unlock)
  const held = await Promise.all(options.via.map(async dir => await logsOf(await clientIn(dir))))
  await asOperator({ ...options, unlock, json: true, mayBeWithdrawn: true }, async operator => {
    const { deviceId } = operator.certificate
    // Of stolen keys, what others hold and this folder does not is the thief's.
    const alsoHeld = (options.stolen ? [] : held.flat())
      .filter(log => log.deviceId === deviceId && operator.hashAt(log.logId as LogId, log.seq) === undefined)
      .map(({ logId, seq, hash }) => ({ logId: logId as LogId, seq, hash: hash as EventHash }))
    await reissue(operator, { siteDir: options.site, rootSeed, unlock, nowAt: Date.now(), alsoHeld })
  })
  await asOperator({ ...options, unlock }, async operator => {
    if (options.stolen) await restate(operator)
    const { bodies, renewed } = upkeepOf(operator, Date.now(), true)
    await operator.record(bodies)
    const until = new Date(operator.certificate.notAfterAt).toISOString()
    say(
      options,
      { rotated: 'issuer', deviceId: operator.certificate.deviceId, until, renewed },
      `the operator has new keys, until ${until}; the old ones speak for the site no more. Renewed the certificates of ${renewed.length} nodes. Lock the root key away again`,
    )
  })
}

async function renew(options: OperatorOptions): Promise<void> {
  if (options.via.length === 0)
    throw new MeshError(
      'CONFIG_INVALID',
      'name the folder of a running node with --via: it knows which nodes were revoked since, and must not be renewed',
    )
  await asOperator(options, async operator => {
    if (!operator.revokedElsewhere())
      throw new MeshError(
        'CONFIG_INVALID',
        'a cloud cannot say which nodes were revoked: name a node as well',
      )
    const { bodies, renewed } = upkeepOf(operator, Date.now(), true)
    await operator.record(bodies)
    say(options, { renewed }, `renewed the certificates of ${renewed.length} nodes: ${renewed.join(', ')}`)
  })
}
