// `chargemesh token window`: who knows that a card was revoked, who may not, and what that can cost at most. Any node can be
// asked, and each answer holds; of several the lowest counts.
import type { Command } from 'commander'
import { z } from 'zod'
import type { Client } from '../api/client.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { tagOf } from './card.ts'
import { wholeNumber } from './number.ts'
import { clientIn, collect } from './operator.ts'
import { print, printJson, untilStopped } from './output.ts'
import { DASH_HELP, secretOf } from './secret.ts'

const ASK_EVERY_MS = 2000

const STATED = z.object({
  state: z.literal('revoked'),
  revokedAt: z.string(),
  reason: z.string(),
  knowing: z.array(z.object({ name: z.string(), since: z.string() })),
  silent: z.array(z.object({ name: z.string(), lastHeardAt: z.string().optional() })),
  islands: z.number(),
  days: z.number(),
  capWhPerDay: z.number().optional(),
  sessionWh: z.number(),
  drawnWh: z.number(),
  open: z.number(),
  worstWh: z.number().optional(),
  worstCost: z.string().optional(),
  worstCostWithout: z.array(z.string()).optional(),
  currency: z.string().optional(),
  pricePerKwh: z.string().optional(),
})
const ANSWER = z.union([STATED, z.object({ state: z.enum(['unknown', 'granted', 'revoked']) })])
export type Stated = z.infer<typeof STATED>

type WindowOptions = {
  readonly dir?: string
  readonly via: readonly string[]
  readonly sessionKwh?: string
  readonly maxKw?: string
  readonly islands?: string
  readonly follow?: boolean
  readonly json?: boolean
}

export function addTokenWindow(token: Command): void {
  token
    .command('window <card>')
    .description(`what a revoked card can still cost, and which nodes may not know of it; ${DASH_HELP}`)
    .option('--dir <dir>', 'folder of a running node')
    .option('--via <dir>', 'folder of one more running node to ask; repeat for more', collect, [])
    .option('--session-kwh <n>', 'what one car takes at most (default: 100)')
    .option('--max-kw <n>', 'what one connector gives at most; bounds a card without a cap')
    .option('--islands <n>', 'the nodes that do not know stand in so many parts, if you know that')
    .option('--follow', 'say it again whenever it changes, until every node knows')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh token window 04A2B3C4 --dir ./pole-07 --follow')
    .action(tokenWindow)
}

async function tokenWindow(word: string, options: WindowOptions): Promise<void> {
  const card = tagOf(await secretOf(word))
  const dirs = [...(options.dir === undefined ? [] : [options.dir]), ...options.via]
  if (dirs.length === 0)
    throw new MeshError('CONFIG_INVALID', 'which node shall be asked? name its folder with --dir')
  const clients = await Promise.all(dirs.map(clientIn))
  const question = { card, ...questionOf(options) }
  const stopped = options.follow ? untilStopped() : undefined
  let said = ''
  for (;;) {
    const stated = await ask(clients, question)
    const text = options.json ? JSON.stringify(stated) : textOf(stated)
    if (text !== said && options.json) printJson(stated)
    else if (text !== said) print(`${said === '' ? '' : '\n'}${text}`)
    said = text
    if (!stopped || stated.silent.length === 0) return
    if ((await Promise.race([stopped, after(ASK_EVERY_MS)])) !== undefined) return
  }
}

function questionOf({ sessionKwh, maxKw, islands }: WindowOptions): Readonly<Record<string, number>> {
  return {
    ...(sessionKwh !== undefined && {
      sessionWh: 1000 * wholeNumber('--session-kwh', sessionKwh, { least: 1, most: 1_000_000 }),
    }),
    ...(maxKw !== undefined && {
      maxPowerW: 1000 * wholeNumber('--max-kw', maxKw, { least: 1, most: 100_000 }),
    }),
    ...(islands !== undefined && { islands: wholeNumber('--islands', islands, { least: 0, most: 100_000 }) }),
  }
}

async function ask(clients: readonly Client[], question: unknown): Promise<Stated> {
  const answers = await Promise.all(
    clients.map(async client => check('window', ANSWER, await client.post('/v1/tokens/window', question))),
  )
  const stated = answers.flatMap(answer => ('revokedAt' in answer ? answer : []))
  const [lowest] = stated.toSorted((a, b) => (a.worstWh ?? Infinity) - (b.worstWh ?? Infinity))
  if (lowest) return lowest
  throw new MeshError(
    'CONFIG_INVALID',
    `the card is ${answers[0]?.state ?? 'unknown'} at the node that was asked: it has heard of no revocation that counts`,
  )
}

function after(ms: number): Promise<undefined> {
  return new Promise(resolve => setTimeout(() => resolve(undefined), ms))
}

/** For people: names, the figure, and how it comes about. */
export function textOf(stated: Stated): string {
  const { knowing, silent, islands } = stated
  const all = knowing.length + silent.length
  const names = (list: readonly string[]): string => (list.length === 0 ? 'none' : list.join(', '))
  return [
    `revoked at ${stated.revokedAt} (${stated.reason})`,
    `${knowing.length} of ${all} nodes know: ${names(knowing.map(one => `${one.name} since ${one.since}`))}`,
    `${silent.length} have not said so: ${names(silent.map(heard))}`,
    worstOf(stated),
    ...(islands > 0 ? [`islands: ${islands} at most; days begun: ${stated.days}`] : []),
  ].join('\n')
}

function heard({ name, lastHeardAt }: Stated['silent'][number]): string {
  return `${name} (${lastHeardAt === undefined ? 'never heard of' : `last heard of ${lastHeardAt}`})`
}

function worstOf(stated: Stated): string {
  const {
    worstWh,
    worstCost,
    worstCostWithout: without = [],
    islands,
    days,
    capWhPerDay,
    drawnWh,
    open,
  } = stated
  if (worstWh === undefined)
    return 'unbounded: the card has no cap a day; give cards a cap (--cap-kwh), or say --max-kw'
  const money =
    worstCost === undefined
      ? 'not priced: no tariff is in force'
      : `${worstCost} ${stated.currency} at ${stated.pricePerKwh} a kWh${without.length > 0 ? ` (without ${without.join(', ')}, which have a price too)` : ''}`
  const session = kwh(stated.sessionWh)
  const terms = [
    ...(drawnWh > 0 ? [`${kwh(drawnWh)} drawn at nodes that know`] : []),
    ...(open > 0 ? [`${open} open there x ${session}`] : []),
    ...(islands > 0 ? [`2 x ${session} a session`] : []),
    ...(islands > 0 && capWhPerDay !== undefined
      ? [`${islands} islands x ${days} days x (${kwh(capWhPerDay)} cap + ${session})`]
      : []),
  ]
  const least = terms.length > 0 ? `; at most ${terms.join(' + ')}` : ''
  return `worst case so far: ${kwh(worstWh)}, ${money}${least}`
}

function kwh(wh: number): string {
  return `${Number((wh / 1000).toFixed(1))} kWh`
}
