// `chargemesh keys`: what a site's keys need.
import type { Command } from 'commander'
import { addKeysRotate } from './keys-rotate.ts'

export function addKeysCommands(program: Command): void {
  const keys = program.command('keys').description('keys and certificates of a site: new ones, renewed ones')
  addKeysRotate(keys)
}
