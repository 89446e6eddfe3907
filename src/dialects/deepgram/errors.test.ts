import { describe, expect, test } from 'vitest';
import { GatewayError, type GatewayErrorDetails, type RemoteFault } from '../../errors.ts';
import { type ErrorEnvelope, renderError } from './errors.ts';

const ID = 'req_0123456789ab4def8123456789abcdef';
const UUID = '01234567-89ab-4def-8123-456789abcdef';
const POST = new Request('http://gateway/v1/listen', { method: 'POST' });
const render = (code: GatewayError['code'], details: GatewayErrorDetails = {}, message = 'Said below.') =>
  renderError(new GatewayError(code, message, details), POST, ID);
const messageOf = (...of: Parameters<typeof render>) => (render(...of).body as ErrorEnvelope).err_msg;

test('the id and the message are in the headers too', () => {
  const { headers, body } = render('model-unknown');
  expect(headers).toEqual({
    'dg-request-id': UUID,
    'dg-error': 'Project does not have access to the requested model.',
  });
  expect(body).toEqual({
    err_code: 'INSUFFICIENT_PERMISSIONS',
    err_msg: 'Project does not have access to the requested model.',
    request_id: UUID,
  });
});

test('a header holds no more than a header can', () => {
  const { headers } = render('route-unknown', {}, 'No /v1/ü\r\nx-evil: 1\u0000 日本');
  expect(() => new Headers(headers)).not.toThrow();
  expect(headers['dg-error']).toBe('No /v1/?x-evil: 1? ?');
});

describe('a URL that could not be fetched', () => {
  const server = 'The remote server hosting the media';
  test.each<[RemoteFault, string]>([
    [{ kind: 'client-error', status: '404 Not Found' }, `${server} returned a client error: 404 Not Found.`],
    [{ kind: 'server-error', status: '502 Bad Gateway' }, `${server} returned a server error: 502 Bad Gateway.`],
    [{ kind: 'too-many-redirects' }, `${server} returned too many redirects.`],
    [{ kind: 'invalid-data' }, `${server} failed to return valid data.`],
  ])('%j', (remoteFault, message) => {
    const { status, body } = render('url-unreachable', { remoteFault });
    expect(status).toBe(400);
    expect(body).toMatchObject({ err_code: 'REMOTE_CONTENT_ERROR', err_msg: message });
  });
});

describe('when to try again', () => {
  test.each([
    ['queue-full', {}, '1'],
    ['shutting-down', {}, '1'],
    ['model-not-ready', { retryAfterSeconds: 29.2 }, '30'],
    ['upload-stalled', {}, undefined],
    ['audio-undecodable', {}, undefined],
    ['internal', {}, undefined],
  ] as const)('%s %j: %s', (code, details, seconds) => {
    expect(render(code, details).headers['retry-after']).toBe(seconds);
  });
});

test('a model that is only asked about is not found', () => {
  const asked = renderError(new GatewayError('model-unknown', 'No.'), new Request('http://gateway/v1/models/x'), ID);
  expect(asked.status).toBe(404);
  expect(asked.body).toMatchObject({ err_code: 'Not Found' });
});

test('what the caller did wrong is said where the vendor leaves the words to us', () => {
  expect(messageOf('field-invalid')).toBe('Said below.');
  expect(messageOf('body-too-large')).toBe('Said below.');
});
