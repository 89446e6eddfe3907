// Says after the run what could not be run on this machine, where nobody can overlook it.
import { missingVoice, missingVoiceModel } from './long-audio/missing.ts';
import { preparePython } from './openai/python-sdk.ts';
import { findPostgres } from './postgres.ts';
import { processesAreVisible } from './processes.ts';

const omitted: string[] = [];

export async function setup(): Promise<void> {
  // An installation that fails is the failure of its own test file, and no reason to run none of the others.
  const python = await preparePython().catch((error: Error) => ({ missing: error.message }));
  if ('missing' in python) omitted.push(`The Python SDKs were NOT tested: ${python.missing}.`);
  if (!(await findPostgres())) {
    omitted.push('The database of models was NOT tested: there is no PostgreSQL. Run: apt-get install postgresql.');
  }
  const voice = missingVoice();
  if (voice) omitted.push(`Cuts were NOT compared with a single pass: ${voice}.`);
  const voiceModel = missingVoiceModel();
  if (voiceModel) omitted.push(`Silence, music and speech beside them were NOT tested: ${voiceModel}.`);
  if (!processesAreVisible) omitted.push('Leftover processes were NOT looked for: this needs /proc.');
}

export function teardown(): void {
  for (const sentence of omitted) console.warn(`\n  ${sentence}`);
}
