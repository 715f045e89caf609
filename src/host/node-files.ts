// What lies in a node's folder beside its journal, documents and lock.
export const NODE_FILE = 'node.yaml'
/** Address and token of the operator's plane, written anew at each start. */
export const API_FILE = 'api.json'
export const UPLINKS_FILE = 'uplinks.json'
export const KNOWN_FILE = 'addresses.json'
