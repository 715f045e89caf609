// What the platform lacks, loaded before anything else: Node 20 has no Promise.withResolvers, and
// libp2p 3 calls it on its first connection. Nothing else belongs here.

type Resolvers<T> = {
  promise: Promise<T>
  resolve: (value: T | PromiseLike<T>) => void
  reject: (reason?: unknown) => void
}

function withResolvers<T>(): Resolvers<T> {
  let resolve: Resolvers<T>['resolve'] | undefined
  let reject: Resolvers<T>['reject'] | undefined
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  // The executor above has run by now: Promise calls it before its constructor returns.
  return { promise, resolve: resolve as Resolvers<T>['resolve'], reject: reject as Resolvers<T>['reject'] }
}

if (typeof Promise.withResolvers !== 'function') {
  Object.defineProperty(Promise, 'withResolvers', {
    value: withResolvers,
    writable: true,
    configurable: true,
  })
}
