// At a node: what the cloud has not acknowledged goes onto the stick, behind what the stick carries already.
import { z } from 'zod'
import type { Client } from '../api/client.ts'
import { check } from '../config.ts'
import { openStick, type Stick } from '../host/stick.ts'
import { ed25519 } from '../identity/signature.ts'
import { type SiteId, unhex } from '../units.ts'
import { type Cover, type PartReader, readPart } from '../uplink/bundle.ts'
import { clientIn, say } from './operator.ts'
import { startProgress } from './progress.ts'
import type { ExportOptions } from './usb.ts'
import { partsOf, type Refused } from './usb-parts.ts'

const NODE = z.object({
  ...{ siteId: z.string(), rootKey: z.string(), deviceId: z.string(), name: z.string(), site: z.string() },
})
const NEXT = z.object({ part: z.base64().optional(), events: z.int() })
const WRITTEN = z.object({ part: z.base64() })
const ACKED = z.object({ acked: z.array(z.string()) })

export type NodeAt = z.infer<typeof NODE> & { readonly client: Client; readonly reader: PartReader }

export async function nodeAt(dir: string): Promise<NodeAt> {
  const client = await clientIn(dir)
  const node = check('node', NODE, await client.get('/v1/bundle'))
  const reader = { siteId: node.siteId as SiteId, rootKey: unhex(node.rootKey), signatures: ed25519() }
  return { ...node, client, reader }
}

type Carried = { readonly name: string; readonly covers: readonly Cover[] }

export async function exportTo(dir: string, options: ExportOptions): Promise<void> {
  const node = await nodeAt(options.via)
  const stick = await openStick(dir, node.reader.siteId)
  try {
    const refused: Refused[] = []
    const found: Carried[] = []
    for await (const { name, part } of partsOf(stick, 'up', { reader: node.reader, refused }))
      found.push({ name, covers: part.head.covers })
    const removed = await tidy(node, stick, found)
    const carried = found.filter(({ name }) => !removed.has(name))
    // First, so that it is there when the stick is full: without it the office writes everything anew.
    const holds = check('node', WRITTEN, await node.client.post('/v1/bundle/holds', {}))
    await stick.replaceHolds(node.deviceId, bytesOf(holds.part))
    const { parts, events } = await writeParts({ node, stick, carried, wanted: options.json !== true })
    for (const { name } of refused)
      process.stderr.write(`${name} is damaged and counts for nothing: what it held is written again\n`)
    const all = carried.length + parts
    say(
      options,
      {
        site: node.site,
        events,
        parts,
        partsOnStick: all,
        removed: [...removed],
        damaged: refused.map(one => one.name),
      },
      [
        events > 0
          ? `${events} events of ${node.site} written, in ${counted(parts)}`
          : 'nothing new to write',
        ...(removed.size > 0 ? [`${counted(removed.size)} removed: the cloud has what they held`] : []),
        all === 0
          ? 'the stick carries nothing that the cloud has not'
          : `the stick carries ${counted(all)} of this site; at the office: chargemesh usb import ${dir} --site <site folder> --cloud <cloud folder>`,
      ].join('\n'),
    )
  } finally {
    await stick.close()
  }
}

export function counted(parts: number): string {
  return `${parts} part${parts === 1 ? '' : 's'}`
}

/** Parts of which the cloud has acknowledged everything go; nothing else ever does. */
async function tidy(node: NodeAt, stick: Stick, found: readonly Carried[]): Promise<ReadonlySet<string>> {
  const removed = new Set<string>()
  for (const one of found) {
    const { acked } = check('node', ACKED, await node.client.post('/v1/bundle/acked', { parts: [one] }))
    for (const name of acked) {
      await stick.remove(name)
      removed.add(name)
    }
  }
  return removed
}

type Work = {
  readonly node: NodeAt
  readonly stick: Stick
  readonly carried: readonly Carried[]
  readonly wanted: boolean
}

async function writeParts({
  node,
  stick,
  carried,
  wanted,
}: Work): Promise<{ parts: number; events: number }> {
  const covers = carried.flatMap(one => one.covers)
  let [parts, events] = [0, 0]
  let progress = startProgress('events', 0, false)
  try {
    for (;;) {
      const next = check('node', NEXT, await node.client.post('/v1/bundle/part', { covers: merged(covers) }))
      if (next.part === undefined) return { parts, events }
      if (parts === 0) progress = startProgress('events', next.events, wanted)
      const bytes = bytesOf(next.part)
      const verdict = readPart(node.reader, bytes)
      if (verdict.kind === 'refused') throw new Error(`the node wrote a part that is ${verdict.reason}`)
      await stick.add('up', bytes)
      const written = verdict.part.head.covers
      const count = written.reduce((sum, { fromSeq, nextSeq }) => sum + nextSeq - fromSeq, 0)
      covers.push(...written)
      parts += 1
      events += count
      progress.step(count)
    }
  } finally {
    progress.end()
  }
}

/** Parts of one log that join one another are one. */
function merged(covers: readonly Cover[]): readonly Cover[] {
  const whole: Cover[] = []
  const order = covers.toSorted((a, b) =>
    a.logId === b.logId ? a.fromSeq - b.fromSeq : a.logId < b.logId ? -1 : 1,
  )
  for (const one of order) {
    const last = whole.at(-1)
    if (last?.logId === one.logId && one.fromSeq <= last.nextSeq)
      whole[whole.length - 1] = { ...last, nextSeq: Math.max(last.nextSeq, one.nextSeq) }
    else whole.push(one)
  }
  return whole
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}
