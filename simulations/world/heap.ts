// The order of a virtual world: tasks by their time, and of one time in the order in which they were put in.

export type Task = { readonly atMs: number; readonly order: number; readonly task: () => void }

/** Earliest first; of equals, the one that was put in first. */
export function createHeap(): {
  push: (atMs: number, task: () => void) => void
  pop: (untilMs: number) => Task | undefined
} {
  const heap: Task[] = []
  let order = 0
  const before = (a: Task, b: Task): boolean => (a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs)
  const swapUp = (from: number): void => {
    for (let i = from; i > 0; ) {
      const up = (i - 1) >> 1
      const [child, parent] = [heap[i] as Task, heap[up] as Task]
      if (!before(child, parent)) return
      heap[i] = parent
      heap[up] = child
      i = up
    }
  }
  const swapDown = (): void => {
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2]
      let least = i
      for (const child of [left, right])
        if (heap[child] && before(heap[child] as Task, heap[least] as Task)) least = child
      if (least === i) return
      const moved = heap[i] as Task
      heap[i] = heap[least] as Task
      heap[least] = moved
      i = least
    }
  }
  return {
    push: (atMs, task) => {
      heap.push({ atMs, order: order++, task })
      swapUp(heap.length - 1)
    },
    pop: untilMs => {
      const [first] = heap
      if (!first || first.atMs > untilMs) return undefined
      const last = heap.pop() as Task
      if (heap.length > 0) {
        heap[0] = last
        swapDown()
      }
      return first
    },
  }
}
