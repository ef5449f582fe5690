#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// Compiled code is kept from one start to the next: 48 instead of 55 ms of processor time to the prompt. In the user's
// own folder, where nobody else can write; NODE_DISABLE_COMPILE_CACHE turns it off.
enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'claude-agent'));

await import('./program.ts');
