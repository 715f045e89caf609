// A process to be killed: appends numbered records to a journal as fast as it can and says each number once it is durable.
// node store-writer.mjs append <dir> | lock <dir>
import { openDisk } from '../../dist/src/host/disk.js'
import { openJournal } from '../../dist/src/store/journal.js'
import { lockDirectory } from '../../dist/src/store/lock.js'

const [, , task, dir] = process.argv

if (task === 'lock') {
  const lock = await lockDirectory(dir)
  process.stdout.write('held\n')
  setTimeout(() => lock.release(), 60_000)
} else {
  const { journal } = await openJournal(openDisk(dir), () => undefined)
  for (let number = 0; ; number += 3)
    await Promise.all(
      [number, number + 1, number + 2].map(async each => {
        const payload = new Uint8Array(300).fill(each % 251)
        new DataView(payload.buffer).setUint32(0, each)
        await journal.append([{ kind: 1, payload }])
        process.stdout.write(`${each}\n`)
      }),
    )
}
