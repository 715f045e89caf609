// The PostgreSQL server of a benchmark: that of TEST_DATABASE_URL.
export type Server = { readonly url: string; readonly close: () => Promise<void> }

export async function serverFor(): Promise<Server> {
  const url = process.env.TEST_DATABASE_URL
  if (url === undefined) throw new Error('TEST_DATABASE_URL names no PostgreSQL server')
  return { url, close: async () => undefined }
}
