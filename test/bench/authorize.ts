// authorize: cards that were used before, over OCPP, at a steady rate; from the charger's call to its answer.
import { withCharging } from './charging.ts'
import type { ChargingSite } from './charging-site.ts'
import type { Kind } from './drive.ts'
import { type Figures, quantile } from './figures.ts'

export type Authorize = { readonly rate: number; readonly seconds: number }
type Taps = { readonly delaysMs: readonly number[]; readonly lateMs: readonly number[] }

export async function authorize(
  { rate, seconds }: Authorize,
  kind: Kind,
  site: ChargingSite,
): Promise<Figures> {
  return await withCharging(kind, site, async ({ central, chargers, connectedMs }) => {
    await chargers.call('warm')
    const before = central.cost()
    const { delaysMs, lateMs } = await chargers.call<Taps>('authorize', { rate, seconds })
    const after = central.cost()
    return {
      p50Ms: quantile(delaysMs, 0.5),
      p99Ms: quantile(delaysMs, 0.99),
      worstMs: Math.max(...delaysMs),
      /** How far the load itself was behind its rate: a busy machine shows here. */
      p99LateMs: quantile(lateMs, 0.99),
      cpuS: after.cpuS - before.cpuS,
      rssMb: after.rssMb,
      connectedMs,
    }
  })
}
