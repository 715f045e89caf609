// session: a whole session of every charger, all at once, each message durable before it is answered.
import { withCharging } from './charging.ts'
import type { ChargingSite } from './charging-site.ts'
import type { Kind } from './drive.ts'
import { type Figures, quantile } from './figures.ts'

type Stats = { readonly fsyncs: number; readonly ended: number }
type Sessions = { readonly ms: number; readonly startsMs: readonly number[] }

export async function session(meterValues: number, kind: Kind, site: ChargingSite): Promise<Figures> {
  return await withCharging(kind, site, async ({ central, chargers, connectedMs }) => {
    await chargers.call('warm')
    const stats = await central.call<Stats>('stats')
    const before = central.cost()
    const { ms, startsMs } = await chargers.call<Sessions>('sessions', { meterValues })
    const after = central.cost()
    const { fsyncs, ended } = await central.call<Stats>('stats')
    if (ended !== site.accounts.length)
      throw new Error(`${site.accounts.length} sessions were stopped, ${kind} holds ${ended} of them`)
    return {
      ms,
      sessionsPerS: (ended / ms) * 1000,
      messagesPerS: ((ended * (meterValues + 2)) / ms) * 1000,
      p99StartMs: quantile(startsMs, 0.99),
      fsyncsPerS: ((fsyncs - stats.fsyncs) / ms) * 1000,
      cpuS: after.cpuS - before.cpuS,
      rssMb: after.rssMb,
      connectedMs,
    }
  })
}
