// `chargemesh node revoke`: a node is out of the mesh for good, and what it writes from now on counts nowhere.
import type { Command } from 'commander'
import { z } from 'zod'
import type { DeviceReport, Head } from '../api/devices.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { siteTlsOf } from '../host/site-tls.ts'
import { dayOf } from '../host/validity.ts'
import type { EventRef } from '../log/body.ts'
import type { DeviceId, EventHash, LogId } from '../units.ts'
import { asOperator, clientIn, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { instantOf } from './time.ts'

type RevokeOptions = OperatorOptions & {
  readonly reason?: string
  readonly stolen?: boolean
  readonly since?: string
  /** Then there is nothing to do. */
  readonly isRevokedAlready?: boolean
}

const MAX_REASON = 128
const MAX_HEADS = 64
const DEVICES = z.array(
  z.object({
    deviceId: z.string(),
    name: z.string(),
    serial: z.int(),
    notAfterAt: z.number(),
    revoked: z.boolean(),
    heads: z.array(
      z.object({
        logId: z.string(),
        seq: z.int(),
        hash: z.string(),
        prev: z.string().optional(),
        prevSeq: z.int().optional(),
      }),
    ),
  }),
)

export function addNodeRevoke(node: Command): void {
  operatorOptions(node.command('revoke <name>'))
    .description(
      'shut a node out for good: every other node leaves it, and what it writes from now on counts nowhere',
    )
    .option('--stolen', 'say that it was stolen')
    .option('--since <time>', 'it was gone since then: what it wrote later counts nowhere either')
    .option('--reason <text>', 'for people')
    .addHelpText(
      'after',
      `
What it wrote until now, or until --since, and what the node named with --via holds of it, stays as it is: sessions, bills, proofs.

Examples:
  chargemesh node revoke pole-07 --stolen --site ./stadium --via ./pole-01
  chargemesh node revoke pole-07 --stolen --since 2026-07-04T02:00 --site ./stadium --via ./pole-01`,
    )
    .action(revoke)
}

export async function revoke(name: string, options: RevokeOptions): Promise<void> {
  const [via] = options.via
  if (via === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      'name the folder of a running node with --via: it knows how much of what this node wrote counts',
    )
  const reason = options.reason ?? (options.stolen ? 'stolen' : 'revoked')
  if (reason.length > MAX_REASON)
    throw new MeshError('CONFIG_INVALID', `--reason: ${reason.length} characters, at most ${MAX_REASON}`)
  const until = options.since === undefined ? undefined : instantOf('--since', options.since, Date.now())
  const query = until === undefined ? '' : `?until=${until}`
  const reports = await Promise.all(
    options.via.map(async dir => devicesIn(await (await clientIn(dir)).get(`/v1/devices${query}`))),
  )
  const device = chosen(reports.flat(), name)
  // The strictest of several counts, so an earlier time may be said later.
  if (device.revoked && options.isRevokedAlready) return
  if (device.revoked && until === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      `${device.name} (${device.deviceId}) is revoked already; say --since when it was gone earlier than that`,
    )
  const { cutoff, leftOut } = cutoffOf(
    reports.flatMap(report =>
      report.filter(one => one.deviceId === device.deviceId).flatMap(one => one.heads),
    ),
  )
  if (leftOut > 0)
    process.stderr.write(
      `${device.name} wrote ${leftOut} more logs that follow nothing: what stands there counts no more. No honest node does that\n`,
    )
  await asOperator(options, async operator => {
    const { deviceId } = device
    // The nodes may not have heard yet that it was renewed.
    const own = operator.certificates().filter(one => one.deviceId === deviceId)
    const serial = Math.max(device.serial, ...own.map(one => one.serial))
    await operator.record([{ name: 'device_revoke', body: { deviceId, serial, reason, cutoff } }])
    const upTo = cutoff.map(
      ({ logId, seq }) => `\n  log ${logId} counts up to event ${seq}, with all before it`,
    )
    const tls = options.stolen ? siteTlsOf(operator) : undefined
    if (tls)
      process.stderr.write(
        `whoever has it can show chargers the site's TLS certificate until ${dayOf(tls.notAfterAt)}; \`chargemesh site tls --help\` says how to end that sooner\n`,
      )
    say(
      options,
      { deviceId, name: device.name, reason, cutoff },
      `${device.name} is revoked (${reason}); nothing that it writes from now on counts${upTo.join('')}`,
    )
  })
}

function devicesIn(answer: unknown): readonly DeviceReport[] {
  return check('devices', DEVICES, answer).map(device => ({
    ...device,
    deviceId: device.deviceId as DeviceId,
    heads: device.heads.map(({ logId, seq, hash, prev, prevSeq }) => ({
      ...{ logId: logId as LogId, seq, hash: hash as EventHash },
      ...(prev !== undefined && { prev: prev as LogId }),
      ...(prevSeq !== undefined && { prevSeq }),
    })),
  }))
}

function chosen(devices: readonly DeviceReport[], name: string): DeviceReport {
  // Of several nodes that were asked, the one that knows the newest certificate.
  const byId = new Map(
    devices.toSorted((a, b) => a.serial - b.serial).map(device => [device.deviceId, device]),
  )
  const found = [...byId.values()].filter(device => device.name === name || device.deviceId === name)
  const [one] = found
  if (!one) {
    const names = [...byId.values()].map(device => device.name).sort()
    throw new MeshError(
      'CONFIG_INVALID',
      `no node is called ${name}; there are ${names.join(', ') || 'none'}`,
    )
  }
  if (found.length > 1) {
    const ids = found.map(({ deviceId, revoked }) => `${deviceId}${revoked ? ' (revoked)' : ''}`)
    throw new MeshError(
      'CONFIG_INVALID',
      `${found.length} nodes are called ${name}; say which: ${ids.join(', ')}`,
    )
  }
  return one
}

/**
 * What still counts: the furthest head that anybody holds of each log that no other one follows; those before it count wholly.
 * Where a thief has opened more logs than a cut-off holds, those with the longest history are kept.
 */
export function cutoffOf(heads: readonly Head[]): {
  readonly cutoff: readonly EventRef[]
  readonly leftOut: number
} {
  const byLog = new Map<LogId, Head>()
  for (const head of heads) if ((byLog.get(head.logId)?.seq ?? -1) < head.seq) byLog.set(head.logId, head)
  const followed = new Set([...byLog.values()].flatMap(({ prev }) => prev ?? []))
  const history = (head: Head): number => {
    const seen = new Set<LogId>()
    let events = 0
    for (let at: Head | undefined = head; at && !seen.has(at.logId); at = at.prev && byLog.get(at.prev)) {
      seen.add(at.logId)
      events += at.seq + 1
    }
    return events
  }
  // What a follower does not name was written all the same: its author lost it, and somebody holds it.
  const namedUpTo = (logId: LogId): number =>
    Math.max(
      -1,
      ...[...byLog.values()]
        .filter(({ prev }) => prev === logId)
        .map(({ prevSeq = Number.POSITIVE_INFINITY }) => prevSeq),
    )
  const tips = [...byLog.values()].filter(({ logId, seq }) => !followed.has(logId) || seq > namedUpTo(logId))
  const kept = tips.toSorted((a, b) => history(b) - history(a)).slice(0, MAX_HEADS)
  return {
    cutoff: kept.map(({ logId, seq, hash }) => ({ logId, seq, hash })),
    leftOut: tips.length - kept.length,
  }
}
