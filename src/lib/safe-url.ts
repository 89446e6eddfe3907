// Owns the question which URLs that strangers give us may be asked: the one guard of fetch and webhooks against being
// sent to the inside of our own network. It sends nothing itself; whoever does connects through `lookup` and checks
// every redirect anew.
//
// A name is judged when a connection looks it up, and the connection goes to the very addresses that were judged: there
// is no second look-up that could answer differently. `lookup` is not called for a host that is an address already,
// hence `check` before every request.
import { type LookupAddress, promises as resolver } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { GatewayError } from '../errors.ts';
import { env } from './env.ts';

export const URL_LENGTH_MAX = 8192;

/** One setting for every folder that asks strangers' URLs. */
export const allowPrivateUrls = env
  .flag(false)
  .describe('Whether fetched URLs and webhooks may reach private addresses; anyone with a key can then reach them.');

export interface SafeUrl {
  /** Without credentials, so that it may be logged and shown. */
  url: URL;
  /** The header that stands for the credentials in the URL. */
  authorization: string | undefined;
}

export interface UrlGuard {
  /** Throws `url-invalid`, or `url-forbidden` when the host is an address that may not be asked. */
  check(text: string, base?: URL): SafeUrl;
  /** For `connect` of an undici dispatcher. Fails with `url-forbidden`. */
  lookup: LookupFunction;
}

export interface UrlGuardParts {
  allowPrivate: boolean;
  resolve?: (name: string) => Promise<LookupAddress[]>;
}

export function createUrlGuard({ allowPrivate, resolve = resolveAll }: UrlGuardParts): UrlGuard {
  /** One private address among several is enough to refuse: an honest name has none, and a retry would meet the same. */
  async function resolveSafe(name: string): Promise<[LookupAddress, ...LookupAddress[]]> {
    const [first, ...others] = await resolve(name);
    if (!first) throw Object.assign(new Error(`${name} has no address.`), { code: 'ENOTFOUND' });
    const addresses = [first, ...others] as [LookupAddress, ...LookupAddress[]];
    if (!allowPrivate && !addresses.every(({ address }) => isPublicAddress(address))) throw forbidden();
    return addresses;
  }

  return {
    check(text, base) {
      const url = text.length <= URL_LENGTH_MAX ? URL.parse(text, base?.href) : null;
      if (!url || !/^https?:$/.test(url.protocol)) throw invalid();
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
      if (!allowPrivate && isIP(host) && !isPublicAddress(host)) throw forbidden();
      const authorization = readCredentials(url);
      url.username = '';
      url.password = '';
      url.hash = '';
      return { url, authorization };
    },
    lookup(name, options, callback) {
      resolveSafe(name).then(
        (addresses) => {
          if (options.all) callback(null, addresses);
          else callback(null, addresses[0].address, addresses[0].family);
        },
        (error: NodeJS.ErrnoException) => callback(error, ''),
      );
    },
  };
}

// What https://www.iana.org/assignments/iana-ipv4-special-registry calls not globally reachable, and two more.
const RESERVED_IPV4: readonly [network: string, prefix: number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carriers' NAT; some clouds keep their metadata here
  ['127.0.0.0', 8],
  ['168.63.129.16', 32], // Azure's host agent, on every virtual machine
  ['169.254.0.0', 16], // link-local; most clouds keep their metadata here
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
];
// Of IPv6 only 2000::/3 is given out at all; within it these are special.
const RESERVED_IPV6: readonly [network: string, prefix: number][] = [
  ['2001::', 23], // protocols: Teredo, which carries an IPv4 address, and others
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4 carries an IPv4 address
  ['3fff::', 20],
];
const reservedIPv4 = blockList('ipv4', RESERVED_IPV4);
const reservedIPv6 = blockList('ipv6', RESERVED_IPV6);
const givenOutIPv6 = blockList('ipv6', [['2000::', 3]]);

/** Whether the address, as text, is one that anybody on the internet could reach. */
export function isPublicAddress(address: string): boolean {
  const family = address.includes('%') ? 0 : isIP(address); // a zone makes any address a local one
  if (family === 0) return false;
  if (family === 4) return !reservedIPv4.check(address, 'ipv4');
  const carried = carriedIPv4(address);
  if (carried !== undefined) return isPublicAddress(carried);
  return givenOutIPv6.check(address, 'ipv6') && !reservedIPv6.check(address, 'ipv6');
}

/** The IPv4 address that is really reached through an IPv4-mapped one or through NAT64, which IPv6-only networks rely on. */
function carriedIPv4(address: string): string | undefined {
  const canonical = new URL(`http://[${address}]`).hostname;
  const groups = /^\[(?:::ffff:|64:ff9b::)(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})\]$/.exec(canonical);
  if (!groups) return undefined;
  const [high, low] = [groups[1] ?? '0', groups[2] ?? '0'].map((group) => Number.parseInt(group, 16)) as [
    number,
    number,
  ];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function blockList(family: 'ipv4' | 'ipv6', networks: readonly [string, number][]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, family);
  return list;
}

function readCredentials({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  try {
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(credentials).toString('base64')}`;
  } catch {
    throw invalid();
  }
}

function resolveAll(name: string): Promise<LookupAddress[]> {
  return resolver.lookup(name, { all: true });
}

function invalid(): GatewayError {
  return new GatewayError('url-invalid', 'The URL could not be read. It must begin with http:// or https://.');
}

function forbidden(): GatewayError {
  return new GatewayError('url-forbidden', 'The URL must lead to a publicly routable address.');
}
