// The demo's story, chapter by chapter: cars charge, the mesh splits, a node is killed, the mesh heals, two uplinks push
// at once, and the books are counted.
import { join } from 'node:path'
import type { SessionReport } from '../../src/api/report.ts'
import { sessionTable } from '../../src/cli/status.ts'
import type { VirtualCharger } from '../charger/virtual.ts'
import { essence, findings, readBooks } from './audit.ts'
import { bootsSeenAt, cloudUrls, type Story, statusOf, tokenStateAt } from './cast.ts'
import { type RealNode, startRealNode } from './nodes.ts'
import { pause, run, waitFor } from './processes.ts'
import { type Card, type DemoSite, EXPIRED, heal, meshBytes, REVOKED, split } from './site.ts'

const ISLAND_A = [0, 1]
const KILLED = 3

export type Result = Readonly<Record<string, unknown>> & { readonly ok: boolean }

export async function tellStory(story: Story): Promise<Result> {
  story.narrator.watch(() => liveLine(story))
  await chargeEverywhere(story)
  await splitAndRevoke(story)
  await killNode(story)
  const healMs = await healIslands(story)
  const { reconcileMs, uplinkBytes } = await pushFromTwo(story)
  return await count(story, { healMs, reconcileMs, uplinkBytes })
}

function liveLine({ chargers }: Story): string {
  const sessions = chargers.flatMap(charger => charger.sessions())
  const open = sessions.filter(session => session.meterStopWh === undefined).length
  const connected = chargers.filter(charger => charger.connected()).length
  const delivered = sessions.reduce(
    (sum, session) => sum + Math.max(0, (session.meterStopWh ?? session.meterStartWh) - session.meterStartWh),
    0,
  )
  return `${connected} of ${chargers.length} chargers online, ${open} cars charging, ${sessions.length - open} sessions done, ${(delivered / 1000).toFixed(1)} kWh`
}

async function tapIn(story: Story, i: number, card: Card | undefined): Promise<void> {
  const charger = chargerAt(story, i)
  charger.plugIn(1)
  const { accepted, status } = await charger.tap(1, card?.tag ?? '')
  if (!accepted) throw new Error(`${charger.identity} refused ${card?.label}: ${status}`)
}

function chargerAt(story: Story, i: number): VirtualCharger {
  const charger = story.chargers[i]
  if (!charger) throw new Error(`there is no charger ${i}`)
  return charger
}

async function stopAt(story: Story, i: number): Promise<void> {
  await chargerAt(story, i).stop(1)
  await chargerAt(story, i).settled()
}

async function chargeEverywhere(story: Story): Promise<void> {
  const { narrator, site, chargers } = story
  narrator.chapter('Cars charge at all ten chargers; three cards are refused, each with its reason')
  await waitFor('all chargers have booted', () => chargers.every(charger => charger.booted()))
  const bad: readonly (readonly [string, string])[] = [
    ['revoked', site.cards[REVOKED[0] ?? 0]?.tag ?? ''],
    ['expired', site.cards[EXPIRED]?.tag ?? ''],
    ['unknown', `04BAD${String(story.dice.below(1e6)).padStart(6, '0')}`],
  ]
  for (const [i, [what, tag]] of bad.entries()) {
    const { accepted, status } = await chargerAt(story, 3 * i).tap(1, tag)
    if (accepted) throw new Error(`a card that is ${what} was accepted`)
    narrator.tell(`${chargerAt(story, 3 * i).identity} refuses a card that is ${what}: OCPP status ${status}`)
  }
  for (const i of chargers.keys()) await tapIn(story, i, site.cards[i])
  await pause(2500 + story.dice.below(1500))
  for (const i of [0, 4]) await stopAt(story, i)
  for (const i of [0, 4]) await tapIn(story, i, site.cards[10 + i / 4])
  narrator.tell('two cars have left, two others have come')
}

async function splitAndRevoke(story: Story): Promise<void> {
  const { narrator, site, chargers } = story
  narrator.chapter('The mesh splits in two islands: north, east | south, west, field. Both go on')
  split(site, ISLAND_A)
  await waitFor('both islands have noticed', async () => {
    const peers = await Promise.all(site.nodes.map(async node => (await statusOf(node)).peers.length))
    return peers.every((count, i) => count === (ISLAND_A.includes(i) ? 1 : 2))
  })
  const lost = site.cards[12] as Card
  const revokedAtMs = performance.now()
  await run([
    'token',
    'revoke',
    lost.tag,
    '--reason',
    'stolen',
    '--site',
    site.siteDir,
    '--via',
    site.nodes[0]?.dir ?? '',
  ])
  await waitFor(
    'the other node of the island knows',
    async () => (await tokenStateAt(site.nodes[1], lost)) === 'revoked',
  )
  narrator.tell(
    `${lost.label} is revoked at north; east knows ${Math.round(performance.now() - revokedAtMs)} ms after the command began`,
  )
  await stopAt(story, 3)
  const refused = await chargerAt(story, 3).tap(1, lost.tag)
  if (refused.accepted) throw new Error('a card revoked on this island was accepted')
  narrator.tell(`${chargers[3]?.identity} (east) refuses it: ${refused.status}`)
  const other = await tokenStateAt(site.nodes[2], lost)
  await stopAt(story, 5)
  await tapIn(story, 5, lost)
  narrator.tell(
    `the other island cannot know: south still holds it as ${other}, so CP06 lets it charge. This is the risk window`,
  )
  await tapIn(story, 3, site.cards[13])
}

async function killNode(story: Story): Promise<void> {
  const { narrator, site, chargers } = story
  const node = site.nodes[KILLED] as RealNode
  const orphans = [2 * KILLED, 2 * KILLED + 1]
  narrator.chapter(`${node.name} is killed (SIGKILL) while two cars charge at it`)
  const bootsBefore = await bootsSeenAt(site.nodes[4])
  await node.running?.kill()
  await waitFor('its chargers are at another node', () =>
    orphans.every(
      i => chargers[i]?.connected() && chargers[i]?.url().includes(String(site.nodes[4]?.ocppPort)),
    ),
  )
  await pause(2500)
  const boots = (await bootsSeenAt(site.nodes[4])) - bootsBefore
  const names = orphans.map(i => chargers[i]?.identity).join(' and ')
  narrator.tell(`${names} went to field, with ${boots} BootNotifications; their cars go on charging`)
  await stopAt(story, orphans[0] ?? 0)
  narrator.tell(`${chargers[orphans[0] ?? 0]?.identity} finished its session there`)
}

async function healIslands(story: Story): Promise<number> {
  const { narrator, site } = story
  narrator.chapter('The islands heal, and the killed node comes back')
  const healedAtMs = performance.now()
  heal(site)
  await startRealNode(site.nodes[KILLED] as RealNode)
  await waitFor('all nodes hold the same', () => sameEverywhere(site))
  const healMs = Math.round(performance.now() - healedAtMs)
  narrator.tell(
    `all five nodes show the same sessions ${(healMs / 1000).toFixed(1)} s after the links were mended`,
  )
  for (const [i, charger] of story.chargers.entries()) {
    if (charger.sessions().some(session => session.meterStopWh === undefined)) await stopAt(story, i)
  }
  await waitFor('all nodes hold the same again', () => sameEverywhere(site))
  narrator.tell('all cars have left')
  return healMs
}

/** Equal heads of all logs, and equal sessions folded from them. */
async function sameEverywhere(site: DemoSite): Promise<boolean> {
  const seen = await Promise.all(
    site.nodes.map(async node => {
      const logs = (await node.client?.get('/v1/logs')) as { logId: string; hash: string }[]
      const sessions = (await node.client?.get('/v1/sessions')) as SessionReport[]
      return (
        logs
          .map(log => `${log.logId}${log.hash}`)
          .sort()
          .join() + essence(sessions)
      )
    }),
  )
  return seen.every(one => one === seen[0])
}

async function pushFromTwo(story: Story): Promise<{ reconcileMs: number; uplinkBytes: number }> {
  const { narrator, site, cloudDir } = story
  narrator.chapter('Two nodes get an uplink at the same moment, and push')
  const ways = [site.nodes[1], site.nodes[4]] as readonly RealNode[]
  const url = cloudUrls.get(cloudDir) ?? ''
  const startedAtMs = performance.now()
  await Promise.all(
    ways.map(node => run(['uplink', 'add', url, '--ca', join(cloudDir, 'ca.pem'), '--via', node.dir])),
  )
  await waitFor('every node shows every session reconciled', async () => {
    const lists = (await Promise.all(
      site.nodes.map(node => node.client?.get('/v1/sessions')),
    )) as SessionReport[][]
    return lists.every(list => list.length > 0 && list.every(session => session.state === 'reconciled'))
  })
  const reconcileMs = Math.round(performance.now() - startedAtMs)
  narrator.tell(`every node shows every session reconciled ${(reconcileMs / 1000).toFixed(1)} s later`)
  const statuses = await Promise.all(ways.map(statusOf))
  const uplinkBytes = statuses
    .flatMap(status => status.uplinks)
    .reduce((sum, uplink) => sum + uplink.wireBytes, 0)
  await waitFor('all nodes hold the same', () => sameEverywhere(site))
  return { reconcileMs, uplinkBytes }
}

type Measured = { readonly healMs: number; readonly reconcileMs: number; readonly uplinkBytes: number }

async function count(story: Story, measured: Measured): Promise<Result> {
  const { narrator, site, chargers, cloudDir } = story
  narrator.chapter('The books: chargers’ meters, nodes’ stores, the cloud’s tables')
  narrator.watch(undefined)
  const books = await readBooks(chargers, site.nodes, cloudDir)
  const found = findings(books)
  const perSession = (bytes: number): number => Math.round(bytes / Math.max(1, found.sessions))
  const result: Result = {
    sessions: found.sessions,
    bills: found.bills,
    lost: found.lost.length,
    billedTwice: found.billedTwice.length,
    refused: found.refused,
    adopted: found.adopted,
    healMs: measured.healMs,
    reconcileMs: measured.reconcileMs,
    meshBytesPerSession: perSession(meshBytes(site)),
    uplinkBytesPerSession: perSession(measured.uplinkBytes),
    ok: found.ok,
  }
  const { refused } = found
  process.stderr.write(`\n${sessionTable(books.nodeSessions[0] ?? [])}\n\n`)
  process.stderr.write(
    `${found.sessions} sessions, ${found.bills} bills, ${found.lost.length} lost, ${found.billedTwice.length} billed twice\n` +
      `${found.adopted} adopted by another node; refused taps: ${refused.revoked} revoked, ${refused.expired} expired, ${refused.unknown} unknown\n` +
      `healed in ${(measured.healMs / 1000).toFixed(1)} s, reconciled in ${(measured.reconcileMs / 1000).toFixed(1)} s; ` +
      `bytes a session: ${result.meshBytesPerSession} on the mesh, ${result.uplinkBytesPerSession} on the uplinks\n`,
  )
  if (!found.ok) process.stderr.write(`NOT OK: ${JSON.stringify({ ...found, books: undefined })}\n`)
  return result
}
