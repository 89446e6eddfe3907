import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect, errorsLikeOurs } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createRunpodDialect } from './routes.ts';
import { runpodSettings } from './settings.ts';

// RunPod's documentation has the statuses and the shape; the sentences are its workers' own, and so ours.
describeDialect('RunPod', {
  build: (services) => createRunpodDialect(services, runpodSettings.parse({})),
  transcript: jfk as Transcript,
  model: 'default',
  later: { status: 200, source: 'url' },
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const input = Object.fromEntries([['audio_file', 'https://audio.example/jfk.wav'], ...fields]);
    const body = {
      method: 'POST',
      body: JSON.stringify({ input }),
      headers: { 'content-type': 'application/json', ...headers },
    };
    return new Request('http://gateway/whisper/run', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  errors: errorsLikeOurs({ 'model-unknown': 400, 'job-unknown': 'job not found' }, (sentence) => ({ error: sentence })),
});
