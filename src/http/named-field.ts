// Refusals of URLs, which are judged by those who do not know what a request calls them.
import { GatewayError } from '../errors.ts';
import { createUrlGuard } from '../lib/safe-url.ts';

/** Runs `check`; what it throws then names the field, in its message too. */
export function namingField(field: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError(error.code, `${field}: ${error.message}`, { field, cause: error });
  }
}

const anyUrl = createUrlGuard({ allowPrivate: true });

/** Of something to be fetched later. Whether it may be shows then: what its name resolves to may change until that. */
export function checkLaterUrl(field: string, url: string): void {
  namingField(field, () => anyUrl.check(url));
}
