// `chargemesh doctor`: what is wrong with a node, layer by layer.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { print, printJson } from './output.ts'
import { type UnlockOptions, unlockOf, unlockOptions } from './unlock.ts'

export function addDoctorCommand(program: Command): void {
  unlockOptions(program.command('doctor'))
    .description(
      'examine a node, running or stopped, and name the layer that fails with its cure; changes nothing',
    )
    .requiredOption('--dir <dir>', 'the node’s folder')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A line a layer: settings, address, multicast, clock, key, certificate, chargers, store, uplink. Exit code 1 when one of them fails.

Example:
  chargemesh doctor --dir ./pole-07`,
    )
    .action(async (options: UnlockOptions & { dir: string; json?: boolean }) => {
      // Loaded only here: it brings the store with it.
      const { examine } = await import('../host/doctor.ts')
      const layers = await examine(options.dir, Date.now(), unlockOf(options))
      const failing = layers.filter(one => one.verdict === 'fail').map(one => one.layer)
      if (options.json) printJson({ dir: options.dir, healthy: failing.length === 0, layers })
      else
        for (const { layer, verdict, says } of layers)
          print(`${(verdict === 'fail' ? 'FAIL' : verdict).padEnd(5)} ${layer.padEnd(12)} ${says}`)
      if (failing.length > 0)
        throw new MeshError('NODE_UNWELL', `${failing.join(', ')}: the lines above say what to do`)
    })
}
