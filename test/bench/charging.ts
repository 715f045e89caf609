// A central system, ours or the floor, with all chargers of the site connected to it; each side is one process.
import type { ChargingSite } from './charging-site.ts'
import { type Driven, type Kind, startProgram } from './drive.ts'

export type Charging = {
  readonly central: Driven
  readonly chargers: Driven
  /** Until the last charger is connected and has booted. */
  readonly connectedMs: number
}

export async function withCharging<T>(
  kind: Kind,
  site: ChargingSite,
  use: (charging: Charging) => Promise<T>,
): Promise<T> {
  const { accounts } = site
  const dir = kind === 'ours' ? await site.newNode() : site.emptyFolder()
  const central = await startProgram(kind === 'ours' ? 'ocpp-ours' : 'ocpp-floor')
  try {
    const chargers = await startProgram('chargers')
    try {
      const cards = accounts.map(({ card }) => card)
      const { url } = await central.call<{ url: string }>('open', { dir, cards })
      const { ms } = await chargers.call<{ ms: number }>('connect', { url, accounts })
      return await use({ central, chargers, connectedMs: ms })
    } finally {
      await chargers.close()
    }
  } finally {
    await central.close()
  }
}
