// `chargemesh node revoke`: a node is out of the mesh for good, and what it writes from now on counts nowhere.
import type { Command } from 'commander'
import { z } from 'zod'
import type { DeviceReport } from '../api/devices.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import type { EventRef } from '../log/body.ts'
import type { DeviceId, EventHash, LogId } from '../units.ts'
import { asOperator, clientIn, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { instantOf } from './time.ts'

type RevokeOptions = OperatorOptions & {
  readonly reason?: string
  readonly stolen?: boolean
  readonly since?: string
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
    heads: z.array(z.object({ logId: z.string(), seq: z.int(), hash: z.string() })),
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

async function revoke(name: string, options: RevokeOptions): Promise<void> {
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
  if (device.revoked)
    throw new MeshError('CONFIG_INVALID', `${device.name} (${device.deviceId}) is revoked already`)
  const cutoff = furthest(
    reports.flatMap(report =>
      report.filter(one => one.deviceId === device.deviceId).flatMap(one => one.heads),
    ),
  )
  await asOperator(options, async operator => {
    const { deviceId, serial } = device
    await operator.record([{ name: 'device_revoke', body: { deviceId, serial, reason, cutoff } }])
    const events = cutoff.reduce((sum, { seq }) => sum + seq + 1, 0)
    say(
      options,
      { deviceId, name: device.name, reason, cutoff },
      `${device.name} is revoked (${reason}): ${events} events of it count, nothing that it writes from now on does`,
    )
  })
}

function devicesIn(answer: unknown): readonly DeviceReport[] {
  return check('devices', DEVICES, answer).map(device => ({
    ...device,
    deviceId: device.deviceId as DeviceId,
    heads: device.heads.map(({ logId, seq, hash }) => ({
      ...{ logId: logId as LogId, seq, hash: hash as EventHash },
    })),
  }))
}

function chosen(devices: readonly DeviceReport[], name: string): DeviceReport {
  const byId = new Map(devices.map(device => [device.deviceId, device]))
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

/** Several nodes were asked: of each log the furthest head that any of them holds. */
function furthest(heads: readonly EventRef[]): readonly EventRef[] {
  const byLog = new Map<LogId, EventRef>()
  for (const head of heads) if ((byLog.get(head.logId)?.seq ?? -1) < head.seq) byLog.set(head.logId, head)
  return [...byLog.values()].slice(0, MAX_HEADS)
}
