#!/usr/bin/env node
// Committed, so that a package manager can link the command before the first build.
import '../dist/bin.js'
