import { it } from 'vitest';
import { dictation } from './dictation.ts';
import { expectWritten } from './said.cases.ts';

it.each([
  ['thank you period', 'thank you.'],
  ['dear sir comma new line thank you', 'dear sir,<\n> Thank you'],
  ['Dear sir, comma, new line, thank you', 'Dear sir,<\n> Thank you'],
  ['it is done period new paragraph next', 'it is done.<\n\n> Next'],
  ['to buy colon milk', 'to buy: milk'],
  ['is it question mark yes exclamation mark', 'is it? Yes!'],
  ['Is it question mark? Yes', 'Is it? Yes'],
  ['it ends. Period.', 'it ends.'],
  ['New Paragraph. Hello', 'Hello'],
  ['period hello', 'hello'],
  ['one newline two', 'one<\n> Two'],
  ['a new, line of shoes', 'a new, line of shoes'],
  ['a new idea', 'a new idea'],
  ['the question is', 'the question is'],
  ['open a new line of business', 'open a new line of business'],
  ['This period we press the comma key', 'This period we press the comma key'],
  ['I want this. Period', 'I want this.'],
  ['thank you for that, new line, bye', 'thank you for that,<\n> Bye'],
  ['two periods', 'two periods'],
  ['end new paragraph new paragraph more', 'end<\n\n><\n\n> More'],
  ['new', 'new'],
  ['', ''],
])('%j → %j', (before, after) => expectWritten(dictation, before, after));
