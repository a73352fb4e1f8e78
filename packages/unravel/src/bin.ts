#!/usr/bin/env node
import { main } from './main.js'

// Package managers run scripts from the workspace root and tell the caller's folder here.
const cwd = process.env.INIT_CWD ?? process.cwd()

// A reader that has seen enough (`unravel … | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

const controller = new AbortController()

process.exitCode = await main(process.argv.slice(2), {
  cwd,
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
  ...(process.stderr.isTTY ? { terminal: process.stderr } : {}),
  signal: controller.signal,
})
