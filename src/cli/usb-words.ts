// Back at the site: what the office wrote onto the stick goes to a node, and by it to the mesh.
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { openStick } from '../host/stick.ts'
import { say } from './operator.ts'
import type { ExportOptions } from './usb.ts'
import { nodeAt } from './usb-export.ts'
import { REFUSAL, type Refused, refuseAny, says } from './usb-parts.ts'

const TAKEN = z.union([
  z.object({ refused: REFUSAL }),
  z.object({ admitted: z.int(), acks: z.int(), faults: z.array(z.string()) }),
])

export async function takeAt(dir: string, options: ExportOptions): Promise<void> {
  const { client, reader, site } = await nodeAt(options.via)
  const stick = await openStick(dir, reader.siteId)
  try {
    const refused: Refused[] = []
    const total = { parts: 0, entries: 0, acks: 0 }
    for (const name of await stick.names('down')) {
      const part = Buffer.from(await stick.read(name)).toString('base64')
      const taken = check('node', TAKEN, await client.post('/v1/bundle/words', { part }))
      if ('refused' in taken) {
        refused.push({ name, reason: says(taken.refused) })
        continue
      }
      total.parts += 1
      total.entries += taken.admitted
      total.acks += taken.acks
      if (taken.faults.length > 0)
        refused.push({ name, reason: `refused by the gate: ${taken.faults.join(', ')}` })
    }
    if (total.parts === 0 && refused.length === 0)
      throw new MeshError(
        'CONFIG_INVALID',
        `${dir} brings nothing for ${site}: at the office, give \`chargemesh usb import\` with --site and --cloud`,
      )
    say(
      options,
      total,
      `taken: ${total.entries} entries of the operator, ${total.acks} acks and beacons; the mesh carries them on. \`chargemesh usb export\` removes from the stick what the cloud has`,
    )
    refuseAny(refused)
  } finally {
    await stick.close()
  }
}
