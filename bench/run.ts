// `npm run bench`: every bench, or those named. Prints Markdown on stdout; ends by itself, with 1 when a target was missed.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { measureCacheHit } from './cache-hit.ts';
import { measureEngines } from './engines.ts';
import { measureLongAudio } from './long-audio.ts';
import { measureMemory } from './memory.ts';
import { measureMixedLoad } from './mixed-load.ts';
import { measureOverhead } from './overhead.ts';
import { measureScheduling } from './scheduling.ts';
import { type Hour, recordHour } from './speech.ts';
import { measureStart } from './start.ts';

const BENCHES: Record<string, () => Promise<string>> = {
  overhead: measureOverhead,
  'cache-hit': measureCacheHit,
  memory: measureMemory,
  start: measureStart,
  engines: measureEngines,
  scheduling: measureScheduling,
  'long-audio': () => measureLongAudio(hour()),
  'mixed-load': () => measureMixedLoad(hour()),
};
const MINUTES_MAX = 30;

let recorded: Hour | undefined;
const directory = mkdtempSync(join(tmpdir(), 'bench-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
setTimeout(() => {
  console.error(`The bench took longer than ${MINUTES_MAX} minutes and was given up.`);
  process.exit(1);
}, MINUTES_MAX * 60_000).unref();

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !BENCHES[name]);
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}.`);
  process.exit(1);
}
const [processor] = cpus();
const memoryGb = Math.round(totalmem() / 1024 ** 3);
console.log(`# ${new Date().toISOString().slice(0, 10)}\n`);
console.log(`${cpus().length} × ${processor?.model.trim()}, ${memoryGb} GB, Linux, Node ${process.versions.node}\n`);
for (const [name, measure] of Object.entries(BENCHES)) {
  if (asked.length === 0 || asked.includes(name)) console.log(`${await measure()}\n`);
}

function hour(): Hour {
  recorded ??= recordHour(directory);
  return recorded;
}
