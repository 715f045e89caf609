// `chargemesh keys rotate`, `keys renew`: new keys for a site, without losing a node that is away.
import type { Command } from 'commander'
import { newSiteKey, upkeepOf } from '../host/upkeep.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'

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

async function renew(options: OperatorOptions): Promise<void> {
  await asOperator(options, async operator => {
    const { bodies, renewed } = upkeepOf(operator, Date.now(), true)
    await operator.record(bodies)
    say(options, { renewed }, `renewed the certificates of ${renewed.length} nodes: ${renewed.join(', ')}`)
  })
}
