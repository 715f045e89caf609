// Brings the news of all sites to their webhooks, each site at its own pace: a server that lets one site wait holds up no
// other. Beside it, now and then, gaps become news and what is old is let go of.
import { MeshError, reasonOf } from '../errors.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { SiteId } from '../units.ts'
import type { Database } from './database.ts'
import { tellGaps } from './gap-news.ts'
import { deliverNews } from './webhook-delivery.ts'
import { createPoster } from './webhook-post.ts'
import { forgetNews } from './webhooks.ts'

export type CourierDeps = {
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const DELIVER_EVERY_MS = 2_000
const LOOK_EVERY_MS = 60_000

/** What it answers ends it: requests under way are cut off and come again. */
export function openCourier(deps: CourierDeps, siteIds: readonly SiteId[]): () => Promise<void> {
  const { post, close } = createPoster()
  let isClosing = false
  const running = new Map<string, Promise<void>>()
  const start = (key: string, failure: string, run: () => Promise<unknown>): void => {
    if (isClosing || running.has(key)) return
    const done = run()
      .catch((error: unknown) => deps.logger.error(failure, { reason: reasonOf(error) }))
      .then(() => {
        running.delete(key)
      })
    running.set(key, done)
  }
  const timers = [
    setInterval(() => {
      for (const siteId of siteIds) {
        const on = { ...deps, siteId, post, isClosing: () => isClosing }
        start(`deliver ${siteId}`, 'webhooks-failed', () => deliverNews(on))
      }
    }, DELIVER_EVERY_MS),
    setInterval(
      () =>
        start('look', 'webhook-chores-failed', async () => {
          for (const siteId of siteIds) await lookAfter({ ...deps, siteId })
        }),
      LOOK_EVERY_MS,
    ),
  ]
  for (const timer of timers) timer.unref()
  return async () => {
    isClosing = true
    for (const timer of timers) clearInterval(timer)
    close()
    await Promise.all(running.values())
  }
}

/** What goes wrong at one site is not the others'. */
async function lookAfter(at: CourierDeps & { readonly siteId: SiteId }): Promise<void> {
  try {
    await tellGaps(at)
    await forgetNews(at)
  } catch (error) {
    // A database that is away is so for all of them.
    if (error instanceof MeshError && error.code === 'STORE_FAILED') throw error
    at.logger.error('webhook-chores-failed', { siteId: at.siteId, reason: reasonOf(error) })
  }
}
