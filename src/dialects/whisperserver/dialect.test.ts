import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect, errorsLikeOurs } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createWhisperServerDialect } from './routes.ts';

// A FastAPI service: its own refusals are 400, what its validation finds missing is 422.
describeDialect('WhisperServer', {
  build: createWhisperServerDialect,
  transcript: jfk as Transcript,
  model: 'whisper-1',
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    form.append('file', new File(['audio'], 'speech.wav', { type: 'audio/wav' }));
    const body = { method: 'POST', body: form, headers };
    const query = new URLSearchParams([['model', 'whisper-1'], ...fields]);
    return new Request(`http://gateway/transcribe?${query}`, signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  errors: errorsLikeOurs(
    {
      'route-unknown': 'Not Found',
      'method-unsupported': 'Method Not Allowed',
      'field-missing': 422,
      'model-unknown': 400,
    },
    (sentence) => ({ error: sentence }),
  ),
});
