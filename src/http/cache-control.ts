// What a caller's Cache-Control says of the use of our own cache. Pure.

/** `no-store` neither reads nor keeps a result, `no-cache` makes it anew; the rest is for caches on the way. */
export function readCachePolicy(cacheControl: string | null | undefined): 'use' | 'refresh' | 'bypass' {
  const directives = (cacheControl ?? '')
    .toLowerCase()
    .split(',')
    .map((directive) => directive.trim());
  if (directives.includes('no-store')) return 'bypass';
  return directives.includes('no-cache') ? 'refresh' : 'use';
}
