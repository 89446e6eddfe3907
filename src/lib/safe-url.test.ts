import type { LookupAddress } from 'node:dns';
import { describe, expect, test } from 'vitest';
import { createUrlGuard, isPublicAddress, URL_LENGTH_MAX } from './safe-url.ts';

const unresolvable = async (): Promise<LookupAddress[]> => {
  throw new Error('no test may ask the real resolver');
};
const guard = createUrlGuard({ allowPrivate: false, resolve: unresolvable });
const lenient = createUrlGuard({ allowPrivate: true, resolve: unresolvable });

const resolvesTo = (...addresses: string[]) =>
  addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));

function lookUp(from: typeof guard, name: string, all: boolean): Promise<unknown> {
  return new Promise((resolve, reject) => {
    from.lookup(name, { all }, (error, address, family) => (error ? reject(error) : resolve([address, family])));
  });
}

describe('addresses', () => {
  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '168.63.129.15',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:81b::200e',
    '2001:200::1',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  ])('%s is public', (address) => expect(isPublicAddress(address)).toBe(true));

  test.each([
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '168.63.129.16',
    '169.254.169.254',
    '169.254.170.2',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::127.0.0.1',
    '::8.8.8.8', // IPv4-compatible, long abolished
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:0:1', // 0.0.0.1
    '0:0:0:0:0:FFFF:10.0.0.1',
    '::ffff:0:127.0.0.1', // IPv4-translated
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::1',
    '64:ff9b:1::8.8.8.8', // a network's own NAT64
    '100::1',
    '2001::1',
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    '2001:db8::1',
    '2002:7f00:1::',
    '2002:808:808::1',
    '3fff::1',
    '4000::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '2606:4700:4700::1111%eth0',
    'fec0::1',
    'ff02::1',
    '',
    'localhost',
    '127.1',
    '0x7f.1',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('a URL', () => {
  test.each([
    ['https://example.com/a.wav?b=c', 'https://example.com/a.wav?b=c'],
    ['HTTP://EXAMPLE.com', 'http://example.com/'],
    ['http://example.com:8081/a#part', 'http://example.com:8081/a'],
    ['http://8.8.8.8/', 'http://8.8.8.8/'],
    ['http://[2606:4700:4700::1111]/', 'http://[2606:4700:4700::1111]/'],
    ['http://münchen.example/', 'http://xn--mnchen-3ya.example/'],
  ])('%s is taken', (text, href) => expect(guard.check(text).url.href).toBe(href));

  test.each([
    '',
    'example.com/a.wav',
    '/a.wav',
    '//example.com/a.wav',
    'localhost:8080/a.wav',
    'file:///etc/passwd',
    'ftp://example.com/a.wav',
    'data:audio/wav;base64,AAAA',
    'blob:https://example.com/1',
    'javascript:alert(1)',
    'http://',
    'http://exa mple.com/',
    'http://example.com:99999/',
    'http://[fe80::1%25eth0]/',
    'http://[::1',
    'http://256.256.256.256/',
    'http://%zz@example.com/',
    'http://user:%ff@example.com/',
    `https://example.com/${'a'.repeat(URL_LENGTH_MAX)}`,
  ])('%s is none', (text) => {
    expect(() => guard.check(text)).toThrow(expect.objectContaining({ code: 'url-invalid', status: 400 }));
    expect(() => lenient.check(text)).toThrow(expect.objectContaining({ code: 'url-invalid' }));
  });

  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0x7f000001/',
    'http://017700000001/',
    'http://127.0.0.1./',
    'http://１２７.０.０.１/',
    'http:127.0.0.1',
    'http:\\\\127.0.0.1\\',
    'http://0/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]:8080/',
    'http://[64:ff9b::10.0.0.1]/',
    'http://[fd00:ec2::254]/latest/meta-data',
    'http://169.254.169.254/latest/meta-data',
    'http://example.com@127.0.0.1/',
    'http://example.com:80@10.0.0.1/',
    'https://user:secret@192.168.0.1:8443/',
    ' http://\t127.0.0.1/ ',
  ])('%s is forbidden, unless private addresses are allowed', (text) => {
    expect(() => guard.check(text)).toThrow(expect.objectContaining({ code: 'url-forbidden', status: 400 }));
    expect(lenient.check(text).url.protocol).toMatch(/^https?:$/);
  });

  test('gives its credentials as a header, and loses them', () => {
    const { url, authorization } = guard.check('https://us%65r:p%40ss:w%C3%B6rd@example.com/x');
    expect(url.href).toBe('https://example.com/x');
    expect(authorization).toBe(`Basic ${Buffer.from('user:p@ss:wörd').toString('base64')}`);
    expect(guard.check('https://token@example.com/').authorization).toBe(
      `Basic ${Buffer.from('token:').toString('base64')}`,
    );
    expect(guard.check('https://example.com/').authorization).toBeUndefined();
  });

  test('may be relative to the one before', () => {
    const base = new URL('https://example.com/a/b');
    expect(guard.check('../c', base).url.href).toBe('https://example.com/c');
    expect(guard.check('', base).url.href).toBe('https://example.com/a/b');
    expect(() => guard.check('//127.0.0.1/', base)).toThrow(expect.objectContaining({ code: 'url-forbidden' }));
    expect(() => guard.check('file:///etc/passwd', base)).toThrow(expect.objectContaining({ code: 'url-invalid' }));
  });
});

describe('a name', () => {
  test('is given the addresses it has, in their order', async () => {
    const addresses = resolvesTo('2606:4700:4700::1111', '1.1.1.1');
    const open = createUrlGuard({ allowPrivate: false, resolve: async () => addresses });
    expect(await lookUp(open, 'example.com', true)).toEqual([addresses, undefined]);
    expect(await lookUp(open, 'example.com', false)).toEqual(['2606:4700:4700::1111', 6]);
  });

  test.each([[['127.0.0.1']], [['1.1.1.1', '10.0.0.1']], [['::1', '1.1.1.1']], [['fe80::1%eth0']]])(
    'with %s is forbidden',
    async (found) => {
      const resolve = async () => resolvesTo(...found);
      const closed = createUrlGuard({ allowPrivate: false, resolve });
      for (const all of [true, false]) {
        await expect(lookUp(closed, 'localhost.', all)).rejects.toMatchObject({ code: 'url-forbidden' });
      }
      const open = createUrlGuard({ allowPrivate: true, resolve });
      expect(await lookUp(open, 'localhost.', false)).toContain(found[0]);
    },
  );

  test('is asked for once per connection: the answer that was judged is the answer that is used', async () => {
    const answers = [resolvesTo('1.1.1.1'), resolvesTo('127.0.0.1')];
    const changing = createUrlGuard({ allowPrivate: false, resolve: async () => answers.shift() ?? [] });
    expect(await lookUp(changing, 'changing.example', true)).toEqual([resolvesTo('1.1.1.1'), undefined]);
    await expect(lookUp(changing, 'changing.example', true)).rejects.toMatchObject({ code: 'url-forbidden' });
  });

  test('that cannot be resolved fails as such', async () => {
    await expect(lookUp(guard, 'example.com', true)).rejects.toThrow('no test may ask');
    const empty = createUrlGuard({ allowPrivate: true, resolve: async () => [] });
    await expect(lookUp(empty, 'example.com', true)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });
});
