// `chargemesh site root`: the public half of the root key. It is no secret: auditors and drivers verify with it.
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { MeshError, reasonOf } from '../errors.ts'
import { readSite } from '../host/identity-files.ts'
import { print, printJson } from './output.ts'
import { drawQr } from './qr.ts'

type RootOptions = {
  readonly site: string
  readonly qr?: boolean
  readonly out?: string
  readonly json?: boolean
}

export function addSiteRoot(site: Command): void {
  site
    .command('root')
    .description('the public root key, with which receipts and audits of the site are verified')
    .requiredOption('--site <dir>', "the site's folder")
    .option('--qr', 'as a QR code too')
    .option('--out <file>', 'write the key there; a file that exists is not written over')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Publish it where the site's drivers and auditors look, and not only on the receipts themselves. The secret half (root.key)
is another thing: that one nobody needs who verifies.

Example:
  chargemesh site root --site ./stadium --out root.pub`,
    )
    .action(showRoot)
}

async function showRoot({ site: dir, qr, out, json }: RootOptions): Promise<void> {
  const { siteId, name, rootKey } = await readSite(dir)
  if (out !== undefined) await writeOut(out, rootKey)
  if (json) printJson({ siteId, name, rootKey, file: out })
  // Alone on its line, for pipes.
  else print([rootKey, ...(qr ? [drawQr(rootKey.toUpperCase())] : [])].join('\n'))
}

async function writeOut(path: string, rootKey: string): Promise<void> {
  try {
    await writeFile(path, `${rootKey}\n`, { flag: 'wx' })
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `--out ${path} cannot be written: ${reasonOf(error)}`, error)
  }
}
