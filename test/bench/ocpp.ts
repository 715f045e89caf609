// ocpp: a full site at its everyday work, and then the worst minute of it: its node is killed, starts again, and every charger
// comes back within seconds with a session that it charged offline. The floor answers everything at once and keeps nothing.
import type { ChargingSite } from './charging-site.ts'
import { type Driven, type Kind, startProgram } from './drive.ts'
import { type Figures, quantile } from './figures.ts'
import type { Said, Stormed } from './traffic.ts'

export type Ocpp = { readonly seconds: number; readonly everyS: number; readonly stormMs: number }
type Opened = { readonly url: string }
type Stats = { readonly ended: number }

export async function ocpp(
  { seconds, everyS, stormMs }: Ocpp,
  kind: Kind,
  site: ChargingSite,
): Promise<Figures> {
  const { accounts } = site
  const dir = kind === 'ours' ? await site.newNode() : site.emptyFolder()
  const cards = accounts.map(({ card }) => card)
  const open = async (): Promise<{ readonly central: Driven; readonly url: string }> => {
    const central = await startProgram(kind === 'ours' ? 'ocpp-ours' : 'ocpp-floor')
    return { central, ...(await central.call<Opened>('open', { dir, cards, atOnce: true })) }
  }
  const load = await startProgram('chargers')
  let { central, url } = await open()
  try {
    const emptyMb = central.cost().rssNowMb
    const { ms: connectedMs } = await load.call<{ ms: number }>('connect', { url, accounts })
    const before = central.cost()
    const said = await load.call<Said>('steady', { seconds, everyS })
    const after = central.cost()
    expectEnded(await central.call<Stats>('stats'), said.sessions)
    await central.kill()
    const fromMs = performance.now()
    ;({ central, url } = await open())
    const restartMs = performance.now() - fromMs
    const restarted = central.cost()
    const back = await load.call<Omit<Stormed, 'chargers'>>('storm', { url, withinMs: stormMs })
    const kept = kind === 'ours' ? said.sessions : 0
    expectEnded(await central.call<Stats>('stats'), kept + accounts.length)
    return {
      callsPerS: (said.calls / said.ms) * 1000,
      p50StartMs: quantile(said.startsMs, 0.5),
      p99StartMs: quantile(said.startsMs, 0.99),
      p50StopMs: quantile(said.stopsMs, 0.5),
      p99StopMs: quantile(said.stopsMs, 0.99),
      /** Of one processor. */
      cpuShare: ((after.cpuS - before.cpuS) / said.ms) * 1000,
      kbACharger: ((before.rssNowMb - emptyMb) / accounts.length) * 1024,
      rssMb: after.rssNowMb,
      connectedMs,
      p99LateMs: quantile(said.lateMs, 0.99),
      restartMs,
      stormMs: back.ms,
      stormInP50Ms: quantile(back.inMs, 0.5),
      stormInP99Ms: quantile(back.inMs, 0.99),
      stormServedP50Ms: quantile(back.servedMs, 0.5),
      stormServedP99Ms: quantile(back.servedMs, 0.99),
      stormRefused: back.refused,
      stormCpuS: central.cost().cpuS - restarted.cpuS,
    }
  } finally {
    await load.close()
    await central.close()
  }
}

function expectEnded({ ended }: Stats, sessions: number): void {
  if (ended !== sessions) throw new Error(`the chargers ended ${sessions} sessions, the node holds ${ended}`)
}
