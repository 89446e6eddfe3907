// Tells failures of an SQLite file that pass from damage and bugs: what they kept from being done can be tried again.
import { GatewayError } from '../errors.ts';

const FULL = 13;
/** SQLITE_BUSY, SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN. */
const PASSING: ReadonlySet<number> = new Set([5, 8, 10, 14, FULL]);
/** The rest of a code says where in SQLite it happened. */
const PRIMARY_CODE = 0xff;

/** `disk-full` for a file of `what` that does not take or give anything at the moment; any other error as it is. */
export function readSqliteFault(error: unknown, what: string): unknown {
  const { errcode } = error as { errcode?: number };
  const code = errcode === undefined ? undefined : errcode & PRIMARY_CODE;
  if (code === undefined || !PASSING.has(code)) return error;
  const message =
    code === FULL
      ? `The server has no disk space left for ${what}.`
      : `The server's disk does not take or give ${what} at the moment.`;
  return new GatewayError('disk-full', message, { cause: error });
}
