import { describe, expect, test } from 'vitest';
import { readSecret, sign } from './sign.ts';

// The vector of the scheme's own libraries.
const VECTOR = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestampSeconds: 1_614_265_330,
  body: Buffer.from('{"test": 2432232314}'),
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};

test('signs the published vector', () => {
  expect(sign({ ...VECTOR, secret: readSecret(VECTOR.secret) })).toBe(VECTOR.signature);
});

test.each([
  ['id', { id: 'msg_p5jXN8AQM9LWM0D4loKWxJel' }],
  ['timestamp', { timestampSeconds: VECTOR.timestampSeconds + 1 }],
  ['body', { body: Buffer.from('{"test":2432232314}') }],
  ['secret', { secret: readSecret('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') }],
])('another %s has another signature', (_part, change) => {
  expect(sign({ ...VECTOR, secret: readSecret(VECTOR.secret), ...change })).not.toBe(VECTOR.signature);
});

describe('a secret', () => {
  test('is base64 behind its prefix, padded or not', () => {
    expect(readSecret('whsec_c2VjcmV0IQ==').toString()).toBe('secret!');
    expect(readSecret('whsec_c2VjcmV0IQ').toString()).toBe('secret!');
  });
  test('is any other text as it stands', () => {
    expect(readSecret('gehëim whsec_').toString()).toBe('gehëim whsec_');
  });
  test.each(['whsec_', 'whsec_not base64!', 'whsec_c2VjcmV0I', 'whsec_c2Vj-cmV0'])('%s is refused', (text) => {
    expect(() => readSecret(text)).toThrow(expect.objectContaining({ code: 'setup-incomplete' }));
  });
});
