// Waiting without sleeping: a condition, a deadline, and words for what did not come. For tests that have real
// sockets or processes under them; everything else has a virtual clock.

export type Deadline = {
  readonly withinMs: number
  /** What is awaited, for the failure's message. */
  readonly what: string
}

const POLL_MS = 10

/** Resolves once the condition holds, asked every 10 ms; rejects at the deadline, naming what did not come. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { withinMs, what }: Deadline,
): Promise<void> {
  const endMs = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
