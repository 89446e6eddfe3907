// Sends the same news to every URL that wants it, through the outbox: each is a message of its own, confirmed and repeated by
// itself. What the news say, and who wants them, is the caller's business.
import { randomUUID } from 'node:crypto';
import { setImmediate as otherWork } from 'node:timers/promises';
import type { Log } from '../lib/log.ts';
import { type Outbox, withoutSecrets } from './outbox.ts';

export interface BroadcastParts {
  /** Asked anew for each body. */
  urls(): string[];
  outbox: Pick<Outbox, 'enqueue'>;
  log: Log;
}

/** Ends with `news`. What cannot be sent is logged and not tried again: the next news are newer. */
export async function broadcast(news: AsyncIterable<string>, parts: BroadcastParts): Promise<void> {
  for await (const text of news) {
    await send(text, parts).catch((error) => parts.log.error({ err: error }, 'news could not be sent to anybody'));
  }
}

async function send(text: string, { urls, outbox, log }: BroadcastParts): Promise<void> {
  const body = Buffer.from(text);
  for (const url of urls()) {
    // Each is written to the disk before the next, and there may be hundreds.
    await otherWork();
    try {
      outbox.enqueue({ id: `news_${randomUUID()}`, url, method: 'POST', body });
    } catch (error) {
      log.warn({ err: error, url: withoutSecrets(url) }, 'news could not be sent');
    }
  }
}
