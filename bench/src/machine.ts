import { readFileSync } from 'node:fs'
import { cpus, type } from 'node:os'
import type { Machine } from './record.js'

/** Where this process runs. */
export function machine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    system: `${type()} ${process.arch}`,
    vectors: vectors(),
  }
}

/** From the processor's flags, where Linux tells them. */
function vectors(): string {
  try {
    const [, flags = ''] = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? []
    const has = (flag: string) => flags.split(' ').includes(flag)
    return has('avx512f') ? '512-bit vectors' : has('avx2') ? '256-bit vectors' : '128-bit vectors'
  } catch {
    return 'vectors of unknown width'
  }
}
