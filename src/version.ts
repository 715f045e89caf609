// The software's version, as it stands in epoch_open and in `--version`. test/tidy.test.ts compares it with package.json.
export const SW_VERSION = '0.1.0'
