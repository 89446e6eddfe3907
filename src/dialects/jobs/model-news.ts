// What the receivers of webhooks are told of models: when one can be used, and when it is gone.
import type { ModelEvent } from '../dialect.ts';
import { writeModelEvent } from './response.ts';

export async function* modelNews(events: AsyncIterable<ModelEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === 'model_ready' || event.type === 'model_unloaded') yield JSON.stringify(writeModelEvent(event));
  }
}
