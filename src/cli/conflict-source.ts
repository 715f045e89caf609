// Where commands have conflicts from: the cloud, which knows what was billed, or a running node's own fold.
import type { Conflict, OrphanStop } from '../billing/conflict.ts'
import { MeshError } from '../errors.ts'
import { clientIn } from './operator.ts'
import { cloudRows } from './receiver.ts'

export type SourceOptions = { readonly cloud?: string; readonly via?: string | readonly string[] }
export type Wanted = {
  readonly reason?: string
  readonly olderThan?: string
  /** First digits of ids; empty: all. */
  readonly sessions?: readonly string[]
}
export type Waiting = Conflict | OrphanStop

const DURATION = /^(\d{1,5})(m|h|d)$/
const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 }

export async function conflictsFrom(options: SourceOptions, wanted: Wanted): Promise<readonly Waiting[]> {
  const untilAt = wanted.olderThan === undefined ? undefined : Date.now() - durationOf(wanted.olderThan)
  const prefixes = (wanted.sessions ?? []).map(prefixOf)
  if (options.cloud !== undefined) {
    const query = {
      limit: '100',
      ...(wanted.reason !== undefined && { reason: wanted.reason }),
      ...(untilAt !== undefined && { until: String(untilAt) }),
    }
    if (prefixes.length === 0) return fromCloud(options.cloud, query)
    const each: Waiting[] = []
    for (const session of new Set(prefixes))
      each.push(...named(await fromCloud(options.cloud, { ...query, session }), session))
    return each
  }
  const [via] = [options.via ?? []].flat()
  if (via === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      'say --cloud <data folder of the cloud>, or --via <folder of a node>',
    )
  const all = (await (await clientIn(via)).get('/v1/conflicts')) as readonly Waiting[]
  const isMeant = (one: Waiting): boolean =>
    (wanted.reason === undefined || codesOf(one).includes(wanted.reason)) &&
    (untilAt === undefined || (one.kind === 'session' && (one.startedAt ?? 0) <= untilAt))
  const meant = all.filter(isMeant)
  return prefixes.length === 0 ? meant : [...new Set(prefixes)].flatMap(session => named(meant, session))
}

async function fromCloud(dir: string, query: Readonly<Record<string, string>>): Promise<readonly Waiting[]> {
  return (await cloudRows(dir, '/v1/conflicts', query)) as unknown as readonly Waiting[]
}

function named(all: readonly Waiting[], prefix: string): readonly Waiting[] {
  const found = all.filter(one => one.kind === 'session' && one.sessionId.startsWith(prefix))
  if (found.length === 1) return found
  const why =
    found.length === 0
      ? 'nothing waits to be decided about it; `conflicts list` names what does'
      : `${found.length} begin so; say more digits: ${found.map(one => (one.kind === 'session' ? one.sessionId.slice(0, 12) : '')).join(', ')}`
  throw new MeshError('CONFIG_INVALID', `session ${prefix}: ${why}`)
}

function prefixOf(text: string): string {
  const prefix = text.trim().toLowerCase()
  if (/^[0-9a-f]{4,32}$/.test(prefix)) return prefix
  throw new MeshError('CONFIG_INVALID', `session ${text}: wanted at least 4 hex digits of its id`)
}

function durationOf(text: string): number {
  const [, count, unit] = DURATION.exec(text) ?? []
  if (count === undefined)
    throw new MeshError('CONFIG_INVALID', `--older-than ${text}: wanted such as 90m, 12h or 3d`)
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
}

export function codesOf(one: Waiting): readonly string[] {
  return one.kind === 'stop' ? ['orphan-stop'] : one.reasons.map(({ code }) => code)
}
