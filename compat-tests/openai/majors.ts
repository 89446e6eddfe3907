// Every major of the `openai` package that programs in use are built on.
import OpenAI4 from 'openai4';
import { toFile as toFile4 } from 'openai4/uploads';
import OpenAI5 from 'openai5';
import { toFile as toFile5 } from 'openai5/uploads';
import OpenAI6 from 'openai6';
import { toFile as toFile6 } from 'openai6/uploads';
import OpenAI7, { toFile as toFile7 } from 'openai7';

export interface Major {
  major: number;
  OpenAI: typeof OpenAI7;
  toFile: typeof toFile7;
}

// The cases use what all majors share; the types differ in options that no case sets.
export const MAJORS = [
  { major: 4, OpenAI: OpenAI4, toFile: toFile4 },
  { major: 5, OpenAI: OpenAI5, toFile: toFile5 },
  { major: 6, OpenAI: OpenAI6, toFile: toFile6 },
  { major: 7, OpenAI: OpenAI7, toFile: toFile7 },
] as unknown as Major[];
