// `chargemesh usb`: a stick, carried by a person, in the place of an uplink.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

export type ImportOptions = UnlockOptions & {
  readonly via?: string
  readonly site?: string
  readonly cloud?: string
  readonly ca?: string
  readonly json?: boolean
}
export type ExportOptions = { readonly via: string; readonly json?: boolean }

const ROUND = `
A stick goes round: export at a node, import at the office, import at any node of the site, and again.
It is sealed to the operator on the way out and to the site's nodes on the way back; whoever finds it
reads how much there is of which log, and nothing else. Several nodes, and several sites, share a stick.
Pulled out half way it loses nothing: the same command goes on where it stopped.`

export function addUsbCommands(program: Command): void {
  const usb = program
    .command('usb')
    .description('carry what nodes recorded to the cloud on a stick, and news back')
  usb
    .command('export <stick>')
    .description('write onto a stick what the cloud has not acknowledged, of every log that a node holds')
    .requiredOption('--via <dir>', 'folder of the running node')
    .option('--json', 'print JSON')
    .addHelpText('after', `${ROUND}\n\nExample:\n  chargemesh usb export /media/stick --via ./pole-07`)
    .action(async (stick: string, options: ExportOptions) => {
      const { exportTo } = await import('./usb-export.ts')
      await exportTo(stick, options)
    })
  unlockOptions(usb.command('import <stick>'))
    .description(
      'at the office: hand a stick to the cloud and write the way back; at a node: take what came back',
    )
    .option('--via <dir>', 'folder of a running node that takes what the stick brings back')
    .option('--site <dir>', "at the office: the site's folder, whose keys open the stick")
    .option(
      '--cloud <dir>',
      'at the office: data folder of `chargemesh cloud run`, or the cloud’s https address',
    )
    .option('--ca <file>', 'PEM of the authority of a cloud that is named by its address')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `${ROUND}\n\nExamples:\n  chargemesh usb import /media/stick --site ./stadium --cloud ./cloud-data    # at the office\n  chargemesh usb import /media/stick --via ./pole-07                          # back at the site`,
    )
    .action(async (stick: string, options: ImportOptions) => {
      const { via, site, cloud } = options
      if (via !== undefined && site === undefined && cloud === undefined) {
        const { takeAt } = await import('./usb-words.ts')
        await takeAt(stick, { ...options, via })
      } else if (via === undefined && site !== undefined && cloud !== undefined) {
        const { importFrom } = await import('./usb-import.ts')
        await importFrom(stick, { ...options, site, cloud })
      } else
        throw new MeshError(
          'CONFIG_INVALID',
          'say where this is: --via <node folder> at the site, or --site <folder> --cloud <folder> at the office',
        )
    })
}
