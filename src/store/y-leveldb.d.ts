// y-leveldb 0.2.0 ships types that its `exports` hide. Only what documents.ts uses; `null` is its word for "it failed".
declare module 'y-leveldb' {
  export type LevelOptions = { readonly keyEncoding: object; readonly valueEncoding: object }

  export class LeveldbPersistence {
    /** `Level` is called with `new`. */
    constructor(
      location: string,
      options: { readonly Level: (location: string, options: LevelOptions) => object },
    )
    storeUpdate(docName: string, update: Uint8Array): Promise<number | null>
    getYDoc(docName: string): Promise<import('yjs').Doc | null>
    getAllDocNames(): Promise<string[] | null>
    flushDocument(docName: string): Promise<undefined | null>
    clearDocument(docName: string): Promise<undefined | null>
    destroy(): Promise<undefined | null>
  }
}
