// `chargemesh policy`: what the operator decides for the whole site.
import type { Command } from 'commander'
import {
  allowedValues,
  defaultValue,
  isDeviceList,
  isSitePolicy,
  isSitePolicyValue,
  SITE_POLICY_NAMES,
  type SitePolicyName,
} from '../authorization/site-policy.ts'
import { MeshError } from '../errors.ts'
import type { Operator } from '../host/operator.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'

export function addPolicyCommands(program: Command): void {
  const policy = program.command('policy').description('rules for the whole site')
  operatorOptions(policy.command('set <name> <value>'))
    .description('decide one of them; `policy list` shows names and values')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh policy set unknown-cards accept --site ./stadium --via ./pole-07\n  chargemesh policy set always-allow fleet,emergency --site ./stadium --via ./pole-07',
    )
    .action(setPolicy)
  policy
    .command('list')
    .description('every rule, and whether it was set or is the default')
    .requiredOption('--site <dir>', "the site's folder")
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh policy list --site ./stadium')
    .action(listPolicies)
}

async function setPolicy(name: string, given: string, options: OperatorOptions): Promise<void> {
  if (!isSitePolicy(name))
    throw new MeshError('CONFIG_INVALID', `policy ${name}: wanted one of ${SITE_POLICY_NAMES.join(', ')}`)
  await asOperator(options, async operator => {
    const value = isDeviceList(name) ? deviceIds(operator, given) : given.trim()
    checkValue(name, value)
    await operator.record([{ name: 'policy', body: { name, value } }])
    const shown = isDeviceList(name) ? given.trim() : value
    say(options, { name, value }, `${name} is ${shown || 'empty'}`)
    if (isDeviceList(name) && value !== '' && !options.json) print(TURN)
  })
}

const TURN =
  'the first of them tells central systems of sessions from now on, whoever did before: see that the one before is stopped, or has handed over'

/** Nodes by their names, or ids as they are; a name that two devices have says neither. */
function deviceIds(operator: Operator, given: string): string {
  const nodes = operator
    .certificates()
    .filter(one => one.roles.includes('node') && !operator.ledger.isVoid(one))
  const idOf = (word: string): string => {
    const ids = new Set(
      nodes.filter(one => one.name === word || one.deviceId === word).map(one => one.deviceId),
    )
    const [id] = ids
    if (id !== undefined && ids.size === 1) return id
    const known = [...new Set(nodes.map(one => one.name))].join(', ')
    throw new MeshError(
      'CONFIG_INVALID',
      `${word}: ${ids.size === 0 ? 'no node' : 'several nodes'} of that name; there are ${known}`,
    )
  }
  return given
    .split(',')
    .map(word => word.trim())
    .filter(word => word !== '')
    .map(idOf)
    .join(',')
}

function checkValue(name: SitePolicyName, value: string): void {
  if (!isSitePolicyValue(name, value))
    throw new MeshError('CONFIG_INVALID', `${name} ${JSON.stringify(value)}: wanted ${allowedValues(name)}`)
}

async function listPolicies(options: { site: string; json?: boolean }): Promise<void> {
  await asOperator({ ...options, via: [], json: true }, async operator => {
    const { sitePolicy } = operator.ledger.view()
    const rows = SITE_POLICY_NAMES.map(name => {
      const said = sitePolicy.said(name)
      const from = said === undefined ? 'default' : 'set'
      return { name, value: said ?? defaultValue(name), from, allowed: allowedValues(name) }
    })
    if (options.json) printJson(rows)
    else
      print(
        tableOf(rows, [
          ['policy', row => row.name],
          ['value', row => row.value || 'none'],
          ['from', row => row.from],
          ['allowed', row => row.allowed],
        ]),
      )
  })
}
