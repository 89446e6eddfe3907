import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect, errorsLikeOurs } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createWhisperDiarizationDialect } from './routes.ts';

// FastAPI's own sentences and statuses; the rest is ours. A field's refusal has its place in a list, which these have not.
describeDialect('whisper-diarization', {
  build: createWhisperDiarizationDialect,
  transcript: jfk as Transcript,
  model: 'base',
  later: { status: 201, source: 'upload' },
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    for (const [name, value] of [['whisper_model', 'base'], ...fields] as [string, string][]) form.append(name, value);
    form.append('file', new File(['audio'], 'recording.webm', { type: 'audio/webm' }));
    const body = { method: 'POST', body: form, headers };
    return new Request('http://gateway/jobs', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  errors: errorsLikeOurs(
    {
      'route-unknown': 'Not Found',
      'method-unsupported': 'Method Not Allowed',
      'field-missing': 422,
      'field-invalid': 422,
      'model-unknown': 400,
      'job-unknown': 'Job not found',
    },
    (sentence) => ({ detail: sentence }),
  ),
});
