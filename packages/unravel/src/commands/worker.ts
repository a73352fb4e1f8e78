import { Command, Option } from 'commander'
import { Interrupted, UsageError } from '../errors.js'
import type { Io } from '../io.js'
import { processPool } from '../studies/pool.js'
import { work } from '../studies/redis.js'
import { integer } from '../values.js'

export function workerCommand(io: Io): Command {
  return new Command('worker')
    .description('Worker that runs the jobs of studies from the queue of a Redis server, until it is interrupted.')
    .requiredOption(
      '--redis <URL>',
      'Redis server: redis://[user:password@]host[:port][/database], or rediss:// for TLS',
    )
    .addOption(new Option('--concurrency <N>', 'jobs at the same time').argParser(integer(1, 1024)).default(1))
    .action(async ({ redis, concurrency }: { redis: string; concurrency: number }) => {
      if (io.script === undefined) throw new UsageError('worker: it needs the program `unravel` to start its processes')
      const signal = io.interruption()
      await work(redis, processPool(io.script, concurrency), concurrency, signal, io)
      throw new Interrupted('stopped; jobs that were running go back to the queue')
    })
}
