import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { crossOrigin } from './cross-origin.ts';
import type { HttpEnvironment } from './environment.ts';

const app = new Hono<HttpEnvironment>()
  .use(crossOrigin((request) => new URL(request.url).pathname.startsWith('/v1/listen')))
  .get('/v1/*', (context) => context.text('served'));
const origin = 'https://page.example';

test('any page may call, without credentials', async () => {
  const { headers } = await app.request('/v1/models', { headers: { origin } });
  expect(headers.get('access-control-allow-origin')).toBe('*');
  expect(headers.get('access-control-allow-credentials')).toBeNull();
  expect(headers.get('access-control-expose-headers')).toContain('openai-processing-ms');
});

test('where clients send credentials the page is named', async () => {
  const { headers } = await app.request('/v1/listen', { headers: { origin } });
  expect(headers.get('access-control-allow-origin')).toBe(origin);
  expect(headers.get('access-control-allow-credentials')).toBe('true');
  expect(headers.get('vary')).toContain('Origin');
  for (const name of [
    'dg-model-name',
    'dg-model-uuid',
    'dg-char-count',
    'dg-request-id',
    'dg-project-id',
    'dg-error',
  ]) {
    expect(headers.get('access-control-expose-headers')).toContain(name);
  }
});

test.each(['/v1/models', '/v1/listen'])(
  'a browser asks %s first, and is granted the headers it asks for',
  async (path) => {
    const asked = 'authorization,content-type,x-deepgram-session-id,x-fern-sdk-name,x-client-info';
    const response = await app.request(path, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-headers')).toBe(asked);
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
  },
);
