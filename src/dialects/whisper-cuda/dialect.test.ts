import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect, errorsLikeOurs } from '../dialect.cases.ts';
import jfkTwice from './fixtures/jfk-twice.json' with { type: 'json' };
import { createWhisperCudaDialect } from './routes.ts';

// A FastAPI service: its own refusals are 400, what its validation finds missing is 422.
describeDialect('whisper-cuda', {
  build: createWhisperCudaDialect,
  transcript: jfkTwice as Transcript,
  model: 'whisper-1',
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    form.append('model', 'whisper-1');
    form.append('language', 'English');
    form.append('callback_url', 'https://example.com/done');
    for (const [name, value] of fields) form.append(name, value);
    form.append('file', new File(['audio'], 'speech.wav', { type: 'audio/wav' }));
    const body = { method: 'POST', body: form, headers };
    return new Request('http://gateway/transcribe', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  later: { status: 200, source: 'upload' },
  errors: errorsLikeOurs(
    {
      'route-unknown': 'Not Found',
      'method-unsupported': 'Method Not Allowed',
      'field-missing': 422,
      'model-unknown': 400,
    },
    (sentence) => ({ detail: sentence }),
  ),
});
