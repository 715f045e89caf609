import type { Options } from '../simulate.ts'

export async function shrinkCommand(
  _place: { scenario: string; seed: number },
  _options: Options,
): Promise<number> {
  return 2
}
