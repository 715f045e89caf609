// Where the tariffs of a site are read from: a running node, or the site's own folder.
import type { Command } from 'commander'
import { z } from 'zod'
import { reportTariffs, TARIFF_REPORTS, type TariffReport, tariffsFrom } from '../api/tariffs.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import type { Tariffs } from '../tariff/tariffs.ts'
import { asOperator, clientIn } from './operator.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

export type SourceOptions = UnlockOptions & {
  readonly via?: string
  readonly site?: string
  readonly json?: boolean
}

export type TariffSource = {
  readonly tariffs: Tariffs
  readonly reportAt: (at: number) => readonly TariffReport[]
  readonly chargers: readonly Point[]
}

export function sourceOptions(command: Command): Command {
  return unlockOptions(command)
    .option('--via <dir>', 'folder of a running node that is asked')
    .option('--site <dir>', "or the site's folder")
    .option('--json', 'print JSON')
}

const POINT = z.object({
  chargerId: z.string(),
  zone: z.string().optional(),
  connectorType: z.string().optional(),
})
type Point = z.infer<typeof POINT>

export async function tariffSource(options: SourceOptions): Promise<TariffSource> {
  const { via, site } = options
  if (via !== undefined) {
    const client = await clientIn(via)
    const reports = check('tariffs', TARIFF_REPORTS, await client.get('/v1/tariffs'))
    const chargers = check('chargers', z.array(POINT), await client.get('/v1/chargers'))
    return sourceOf(tariffsFrom(reports), chargers)
  }
  if (site === undefined)
    throw new MeshError('CONFIG_INVALID', "say --via <folder of a node> or --site <the site's folder>")
  return await asOperator({ ...options, site, via: [], json: true }, async operator => {
    const { tariffs, policy } = operator.ledger.view()
    return sourceOf(tariffs, policy.chargePoints())
  })
}

function sourceOf(tariffs: Tariffs, chargers: readonly Point[]): TariffSource {
  return { tariffs, chargers, reportAt: at => reportTariffs(tariffs, at) }
}
