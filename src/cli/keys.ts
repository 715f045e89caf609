// `chargemesh keys`: what a site's keys need.
import type { Command } from 'commander'
import { addAtRestCommands } from './at-rest.ts'
import { addKeysRotate } from './keys-rotate.ts'

export function addKeysCommands(program: Command): void {
  const keys = program
    .command('keys')
    .description('keys and certificates: new ones, renewed ones, and how they lie on the disk')
  addKeysRotate(keys)
  addAtRestCommands(keys)
}
