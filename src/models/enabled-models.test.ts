import { beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../errors.ts';
import { FakeClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { createEnabledModels, EnabledTable } from './enabled-models.ts';
import { type Ask, readEnabledModels } from './enabled-table.ts';
import { modelsSettings } from './settings.ts';

type Row = Record<string, unknown>;

/** Answers the columns of the tables, then `rows`; keeps what was asked. */
function fakeAsk(tables: Record<string, string[]>, rows: Row[] = []) {
  const statements: string[] = [];
  const ask: Ask = async (statement) => {
    statements.push(statement);
    if (!statement.includes('information_schema')) return rows;
    return Object.entries(tables).flatMap(([table_name, columns]) =>
      columns.map((column_name) => ({ table_name, column_name })),
    );
  };
  return { ask, statements };
}

describe('the columns', () => {
  test.each<[string, string[], string[], string[]]>([
    ['id_model', ['id_model', 'name'], ['id_model', 'enabled'], ['"id_model"::text = models."id_model"', '"enabled"']],
    ['model_id', ['model_id', 'name'], ['model_id', 'enabled'], ['"model_id"::text = models."model_id"', '"enabled"']],
    ['one of each', ['id_model', 'name'], ['model_id', 'active'], ['"model_id"::text = models."id_model"', '"active"']],
    ['a plain id', ['id', 'model_name'], ['model_id', 'is_enabled'], ['= models."id"', 'models."model_name"']],
    ['a name called model', ['id_model', 'model'], ['id_model', 'enabled'], ['models."model"::text as name']],
    ['capitals', ['ID_Model', 'Name'], ['ID_Model', 'Enabled'], ['models."Name"', 'settings."Enabled"']],
    ['a flag of the models', ['id', 'name', 'enabled'], [], ['models."enabled"::text as model_flag']],
    ['a source', ['id', 'name', 'source'], [], [`models."source"::text = 'whisper'`]],
  ])('may be %s', async (_what, models, settings, parts) => {
    const { ask, statements } = fakeAsk({ whisper_models: models, model_settings: settings });
    await readEnabledModels(ask);
    for (const part of parts) expect(statements[1]?.replaceAll(/\s+/g, ' ')).toContain(part);
  });

  test('settings without a flag say nothing, and are not asked', async () => {
    const { ask, statements } = fakeAsk({ whisper_models: ['name'], model_settings: ['id_model', 'temperature'] });
    await readEnabledModels(ask);
    expect(statements[1]).not.toContain('model_settings');
  });

  test('a column that holds quotes is no way in', async () => {
    const { ask, statements } = fakeAsk({ whisper_models: ['id', 'name', 'x"; drop table models; --'] });
    await readEnabledModels(ask);
    expect(statements[1]).not.toContain('drop table');
  });

  test.each<[string, Record<string, string[]>, string]>([
    ['no table', {}, 'whisper_models'],
    ['no name', { whisper_models: ['id', 'title'] }, 'name, model_name, model'],
    ['no key', { whisper_models: ['name'], model_settings: ['enabled'] }, 'id_model or model_id'],
    ['no key of the settings', { whisper_models: ['id', 'name'], model_settings: ['enabled'] }, 'id_model or model_id'],
  ])('%s is said', async (_what, tables, named) => {
    const thrown = await readEnabledModels(fakeAsk(tables).ask).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(GatewayError);
    expect(thrown).toMatchObject({ code: 'model-not-ready', message: expect.stringContaining(named) });
  });
});

describe('a row', () => {
  const enabled = async (row: Row) =>
    (await readEnabledModels(fakeAsk({ whisper_models: ['name'] }, [{ name: 'base', ...row }]).ask)).length === 1;

  test.each(['true', 't', 'TRUE', '1', 'yes', 'on', null, undefined])(
    'is enabled by %j, in either table',
    async (flag) => {
      expect(await enabled({ model_flag: flag, settings_flag: null })).toBe(true);
      expect(await enabled({ has_settings: true, settings_flag: flag })).toBe(true);
    },
  );

  test.each(['false', 'f', '0', 'no', 'off', '', 'disabled'])('is disabled by %j, in either table', async (flag) => {
    expect(await enabled({ model_flag: flag, has_settings: true, settings_flag: 'true' })).toBe(false);
    expect(await enabled({ model_flag: 'true', has_settings: true, settings_flag: flag })).toBe(false);
  });

  test('without settings is disabled where the flag is in them', async () => {
    expect(await enabled({ has_settings: false, settings_flag: null })).toBe(false);
  });

  test('is one of several: one that is enabled will do, and names come once and in order', async () => {
    const rows = [
      { name: 'small', settings_flag: 'true' },
      { name: ' base ', settings_flag: 'false' },
      { name: ' base ', settings_flag: 'true' },
      { name: 'base', settings_flag: 'true' },
      { name: 'tiny', settings_flag: 'false' },
      { name: '', settings_flag: 'true' },
      { name: null, settings_flag: 'true' },
    ];
    expect(await readEnabledModels(fakeAsk({ whisper_models: ['name'] }, rows).ask)).toEqual(['base', 'small']);
  });
});

describe('what was read', () => {
  let clock: FakeClock;
  let ask: ReturnType<typeof vi.fn<Ask>>;
  let table: EnabledTable;
  const logged = vi.spyOn(silentLog, 'error');
  beforeEach(() => {
    logged.mockClear();
    clock = new FakeClock();
    ask = vi.fn<Ask>(fakeAsk({ whisper_models: ['name'] }, [{ name: 'base' }]).ask);
    table = new EnabledTable({ ask, clock, log: silentLog });
  });

  test('is asked for once by all who come together, and kept for a while', async () => {
    expect(await Promise.all([table.names(), table.names(), table.names()])).toEqual([['base'], ['base'], ['base']]);
    await clock.advance(4999);
    await table.names();
    expect(ask).toHaveBeenCalledTimes(2);
    await clock.advance(1);
    await table.names();
    expect(ask).toHaveBeenCalledTimes(4);
  });

  test('is not served when it is old and the database is gone; when that is back, it is served', async () => {
    await table.names();
    await clock.advance(5000);
    ask.mockRejectedValueOnce(new Error('connect ECONNREFUSED postgres://user:secret@host'));
    const thrown = await table.names().catch((error: unknown) => error as GatewayError);
    expect(thrown).toMatchObject({ code: 'model-not-ready', status: 503, retryAfterSeconds: 5 });
    expect((thrown as GatewayError).message).not.toContain('secret');
    expect(await table.names()).toEqual(['base']);
  });

  test('says once in the log that it failed, and again after it worked', async () => {
    const down = new Error('down');
    for (const _ of [1, 2]) {
      ask.mockRejectedValueOnce(down);
      await expect(table.names()).rejects.toThrow(GatewayError);
    }
    expect(logged).toHaveBeenCalledTimes(1);
    await table.names();
    await clock.advance(5000);
    ask.mockRejectedValueOnce(down);
    await expect(table.names()).rejects.toThrow(GatewayError);
    expect(logged).toHaveBeenCalledTimes(2);
  });
});

test('without a database every model is enabled', async () => {
  const enabled = createEnabledModels(modelsSettings.parse({}), new FakeClock(), silentLog);
  expect(await enabled.names()).toBeNull();
  await enabled.close();
});

test.each(['mysql://host/db', 'host=db', 'https://host'])('the setting refuses %s', (url) => {
  expect(modelsSettings.safeParse({ MODELS_DATABASE_URL: url }).success).toBe(false);
  expect(modelsSettings.safeParse({ MODELS_DATABASE_URL: 'postgresql://user@host/db' }).success).toBe(true);
});
