import type { Transcript } from '../../transcript/transcript.ts';
import { describeDialect, errorsLikeOurs } from '../dialect.cases.ts';
import jfk from './fixtures/jfk.json' with { type: 'json' };
import { createJobsDialect } from './routes.ts';

describeDialect('The jobs API', {
  build: (services) => createJobsDialect(services, { STRICT_MODEL_READY: false }),
  transcript: jfk as Transcript,
  model: 'base',
  later: { status: 202, source: 'upload' },
  transcribeRequest({ headers = {}, signal, fields = [] } = {}) {
    const form = new FormData();
    form.append('model', 'base');
    for (const [name, value] of fields) form.append(name, value);
    form.append('audio', new File(['audio'], 'talk.mp3', { type: 'audio/mpeg' }));
    const body = { method: 'POST', body: form, headers };
    return new Request('http://gateway/jobs', signal ? { ...body, signal } : body);
  },
  keyHeaders: (key) => ({ 'x-api-key': key }),
  errors: errorsLikeOurs(
    { 'body-malformed': 'multipart error: What happened.', 'audio-too-short': 'audio field is empty' },
    (sentence) => ({ error: sentence }),
  ),
});
