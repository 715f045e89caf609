// Bills of an interval, page by page from a cloud; what the first page says of the interval holds for all of them.
import type { Settled, SettledTariff } from '../billing/settled.ts'
import { cloudReader } from './receiver.ts'

export type Interval = { readonly fromAt?: number; readonly toAt?: number }

export type SettledPage = {
  readonly items: readonly Settled[]
  readonly tariffs: readonly SettledTariff[]
  readonly next?: string
  readonly total?: number
  /** Until when (exclusive) was asked. */
  readonly toAt: number
  /** Nothing is added any more to what was issued before. */
  readonly settledAt: number
}

const ROWS = 500

export async function* settledPages(cloud: string, { fromAt, toAt }: Interval): AsyncGenerator<SettledPage> {
  const read = await cloudReader(cloud)
  const from = fromAt === undefined ? {} : { date_from: new Date(fromAt).toISOString() }
  let until = toAt
  let cursor: string | undefined
  do {
    const page = (await read('/v1/cdrs', {
      ...{ limit: String(ROWS), ...from },
      ...(until !== undefined && { date_to: new Date(until).toISOString() }),
      ...(cursor !== undefined && { cursor }),
    })) as SettledPage
    // Without an end it is the cloud's now, once for all pages: bills go on being written.
    until = page.toAt
    yield page
    cursor = page.next
  } while (cursor !== undefined)
}
